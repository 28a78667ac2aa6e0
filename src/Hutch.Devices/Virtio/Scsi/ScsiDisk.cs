using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Block.Graph;
using Hutch.Core.State;
using Hutch.Devices.Storage;
using Hutch.Devices.Virtio.Requests;
using Hutch.Model.Machine;
using static Hutch.Devices.Virtio.Scsi.ScsiCodes;

namespace Hutch.Devices.Virtio.Scsi;

/// <summary>A disk with SCSI commands (SPC-4, SBC-3): logical unit 0 of a target. Commands come from all workers of the controller.</summary>
internal sealed class ScsiDisk : IDisk
{
    // 512 MiB: the work of one command stays bounded where zeroes must be written as data.
    private const long MostRangeBytes = 512L << 20;
    private const int MostAnswerBytes = 128, ListHeaderBytes = 8, RangeBytes = 16, ComparedBytes = 512;

    private readonly ScsiPages _pages;
    private int _attention;

    /// <summary>Makes it on <paramref name="node"/>, which the controller closes.</summary>
    internal ScsiDisk(ScsiDriveConfig config, BlockNode node, IPlatformEvents platform)
    {
        Name = config.Id;
        Node = node;
        BootIndex = config.BootIndex;
        Serial = config.Serial ?? config.Id;
        BlockBytes = Math.Max(512, node.Limits.RequestAlignmentBytes);
        CanUnmap = config.Disk.Discard && node.Limits is { CanDiscard: true, IsReadOnly: false };
        Errors = new StorageErrors(config.Id, config.OnReadError, config.OnWriteError, platform);
        _pages = new ScsiPages(this);
        Reset();
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>What its bytes are in.</summary>
    internal BlockNode Node { get; }

    /// <summary>What becomes of failures.</summary>
    internal StorageErrors Errors { get; }

    /// <summary>Its serial number.</summary>
    internal string Serial { get; }

    /// <summary>Its place in the order in which firmware tries to boot; null: none.</summary>
    internal int? BootIndex { get; }

    /// <summary>Length of a logical block.</summary>
    internal int BlockBytes { get; }

    /// <summary>Its logical blocks. Changes only while the machine is stopped.</summary>
    internal ulong Blocks => (ulong)(Node.LengthBytes / BlockBytes);

    /// <summary>Space can be given back to the host.</summary>
    internal bool CanUnmap { get; }

    /// <summary>The most blocks of one UNMAP or WRITE SAME.</summary>
    internal uint MostRangeBlocks => (uint)(MostRangeBytes / BlockBytes);

    /// <summary>The controller, once the disk is on it.</summary>
    internal VirtioScsi? Controller { get; set; }

    /// <inheritdoc/>
    public string? Trouble => Controller?.Holds(this) == true ? Errors.HeldSentence : null;

    /// <inheritdoc/>
    public long LengthBytes => Node.LengthBytes;

    /// <inheritdoc/>
    public void Grow(long lengthBytes)
    {
        DiskNodes.Grow(Node, Name, lengthBytes);
        Raise(CapacityChanged);
        Controller?.ReportChange(this, CapacityChanged);
    }

    /// <summary>As after power-on: the next command is told.</summary>
    internal void Reset() => Raise(PowerOn);

    /// <summary>Keeps a unit attention condition for the next command, instead of an earlier one. Any thread.</summary>
    internal void Raise(ushort code) => Volatile.Write(ref _attention, code);

    /// <summary>Saves or restores what it keeps between commands.</summary>
    internal void Exchange(StateFields fields)
    {
        if (!fields.IsRestoring) DiskNodes.FlushForState(Node, Name);
        DiskNodes.ExchangeSectors(fields, Name, Blocks);
        fields.Value("attention", ref _attention, 0, ushort.MaxValue);
    }

    /// <summary>Answers a command, or says what storage is to do for it. Any worker.</summary>
    internal void Execute(ScsiRequest request)
    {
        ReadOnlySpan<byte> command = request.Command;
        // These three see a unit attention or report it, and are not stopped by it (SAM-5 §5.14).
        if (command[0] is not (Inquiry or ReportLuns or RequestSense) && TakeAttention() is var attention and not 0)
        {
            request.Refuse(UnitAttention, attention);
            return;
        }
        switch (command[0])
        {
            case TestUnitReady or PreventAllow: break;                      // the medium cannot be removed
            case RequestSense: SendSense(request, UnitAttention, TakeAttention()); break;
            case Inquiry: SendInquiry(request); break;
            case ModeSense6: SendMode(request, command[4], isLong: false); break;
            case ModeSense10: SendMode(request, Word(command, 7), isLong: true); break;
            case StartStopUnit: Start(request); break;
            case ReportLuns: SendUnits(request); break;
            case ReadCapacity10: SendCapacity(request, isLong: false); break;
            case ServiceActionIn16 when (command[1] & 0x1f) == ActionReadCapacity16: SendCapacity(request, isLong: true); break;
            case Read6 or Write6: Transfer(request, Double(command, 0) & 0x1f_ffff, command[4] == 0 ? 256u : command[4], options: 0); break;
            case Read10 or Write10: Transfer(request, Double(command, 2), Word(command, 7), command[1]); break;
            case Read12 or Write12: Transfer(request, Double(command, 2), Double(command, 6), command[1]); break;
            case Read16 or Write16: Transfer(request, Quad(command, 2), Double(command, 10), command[1]); break;
            case SynchronizeCache10 or SynchronizeCache16: request.Flush(); break;
            case WriteSame10: WriteSame(request, Double(command, 2), Word(command, 7), command[1], mayHaveNoData: false); break;
            case WriteSame16: WriteSame(request, Quad(command, 2), Double(command, 10), command[1], mayHaveNoData: true); break;
            case Unmap when CanUnmap: UnmapRanges(request, command); break;
            default: request.Refuse(IllegalRequest, InvalidCommand); break;
        }
    }

    /// <summary>Answers a command for a logical unit that its target does not have (SPC-4 §4.6.1, §6.4.2). Any worker.</summary>
    internal static void ExecuteAbsent(ScsiRequest request)
    {
        ReadOnlySpan<byte> command = request.Command;
        switch (command[0])
        {
            case Inquiry when (command[1] & 1) == 0:
                Span<byte> answer = stackalloc byte[ScsiPages.InquiryBytes];
                ScsiPages.WriteInquiry(answer, isThere: false);
                request.Send(answer, Word(command, 3));
                break;
            case ReportLuns: SendUnits(request); break;
            case RequestSense: SendSense(request, IllegalRequest, NoLogicalUnit); break;
            default: request.Refuse(IllegalRequest, NoLogicalUnit); break;
        }
    }

    private static ushort Word(ReadOnlySpan<byte> command, int at) => BinaryPrimitives.ReadUInt16BigEndian(command[at..]);

    private static uint Double(ReadOnlySpan<byte> command, int at) => BinaryPrimitives.ReadUInt32BigEndian(command[at..]);

    private static ulong Quad(ReadOnlySpan<byte> command, int at) => BinaryPrimitives.ReadUInt64BigEndian(command[at..]);

    private static bool IsWrite(byte command) => command is Write6 or Write10 or Write12 or Write16;

    private ushort TakeAttention() => Volatile.Read(ref _attention) == 0 ? (ushort)0 : (ushort)Interlocked.Exchange(ref _attention, 0);

    private static void SendSense(ScsiRequest request, byte key, ushort code)
    {
        // Only fixed sense data is there.
        if ((request.Command[1] & 1) != 0)
        {
            request.Refuse(IllegalRequest, InvalidField);
            return;
        }
        Span<byte> sense = stackalloc byte[SenseBytes];
        ScsiRequest.WriteSense(sense, code == 0 ? NoSense : key, code);
        request.Send(sense, request.Command[4]);
    }

    private void SendInquiry(ScsiRequest request)
    {
        ReadOnlySpan<byte> command = request.Command;
        Span<byte> answer = stackalloc byte[MostAnswerBytes];
        answer.Clear();
        bool isPage = (command[1] & 1) != 0;
        int length = isPage ? _pages.Write(command[2], answer) : command[2] == 0 ? ScsiPages.WriteInquiry(answer, isThere: true) : 0;
        if (length == 0) request.Refuse(IllegalRequest, InvalidField);
        else request.Send(answer[..length], Word(command, 3));
    }

    private void SendMode(ScsiRequest request, int allocationBytes, bool isLong)
    {
        ReadOnlySpan<byte> command = request.Command;
        int page = command[2] & 0x3f, control = command[2] >> 6;
        bool isAll = page == ScsiPages.AllPages && command[3] is 0 or 0xff, isCaching = page == ScsiPages.CachingPage && command[3] is 0 or 0xff;
        if (!isAll && !isCaching) request.Refuse(IllegalRequest, InvalidField);
        else if (control == 3) request.Refuse(IllegalRequest, NoSavedParameters);
        else
        {
            Span<byte> answer = stackalloc byte[MostAnswerBytes];
            answer.Clear();
            int length = _pages.WriteMode(answer, isLong, hasBlocks: (command[1] & 8) == 0, showsChangeable: control == 1);
            request.Send(answer[..length], allocationBytes);
        }
    }

    // A disk spins always. What is to be stopped has its data on the medium first (SBC-3 §5.20).
    private static void Start(ScsiRequest request)
    {
        byte how = request.Command[4];
        if (how >> 4 != 0) request.Refuse(IllegalRequest, InvalidField);
        else if ((how & 5) == 0) request.Flush();
    }

    private static void SendUnits(ScsiRequest request)
    {
        ReadOnlySpan<byte> command = request.Command;
        uint allocationBytes = Double(command, 6);
        if (command[2] > 2 || allocationBytes < 16)
        {
            request.Refuse(IllegalRequest, InvalidField);
            return;
        }
        // One unit, whose number is zero; none among the well known ones.
        Span<byte> list = stackalloc byte[16];
        list.Clear();
        if (command[2] == 1) list = list[..8];
        else list[3] = 8;
        request.Send(list, allocationBytes);
    }

    private void SendCapacity(ScsiRequest request, bool isLong)
    {
        Span<byte> answer = stackalloc byte[MostAnswerBytes];
        answer.Clear();
        int length = _pages.WriteCapacity(answer, isLong);
        request.Send(answer[..length], isLong ? Double(request.Command, 10) : length);
    }

    private bool IsOnDisk(ScsiRequest request, ulong block, uint count)
    {
        if (block <= Blocks && count <= Blocks - block) return true;
        request.Refuse(IllegalRequest, OutOfRange);
        return false;
    }

    private bool MayWrite(ScsiRequest request)
    {
        if (!Node.Limits.IsReadOnly) return true;
        request.Refuse(DataProtect, WriteProtected);
        return false;
    }

    private void Transfer(ScsiRequest request, ulong block, uint count, byte options)
    {
        bool isWrite = IsWrite(request.Command[0]);
        // Protection information is not there.
        if (options >> 5 != 0) request.Refuse(IllegalRequest, InvalidField);
        else if (isWrite && !MayWrite(request) || !IsOnDisk(request, block, count)) return;
        else request.Transfer(isWrite ? ScsiOperation.Write : ScsiOperation.Read, (long)block * BlockBytes, (long)count * BlockBytes, isWrite && (options & 8) != 0 ? WriteFlags.Durable : WriteFlags.None);
    }

    // Only zeroes: whoever wants another pattern everywhere may write it.
    private void WriteSame(ScsiRequest request, ulong block, uint count, byte options, bool mayHaveNoData)
    {
        bool unmaps = (options & 8) != 0, hasNoData = mayHaveNoData && (options & 1) != 0;
        if ((options & ~(mayHaveNoData ? 9 : 8)) != 0 || (unmaps && !CanUnmap) || count == 0 || count > MostRangeBlocks) request.Refuse(IllegalRequest, InvalidField);
        else if (!MayWrite(request) || !IsOnDisk(request, block, count)) return;
        else if (hasNoData || IsZero(request)) request.Zero((long)block * BlockBytes, (long)count * BlockBytes, unmaps ? WriteFlags.MayUnmap : WriteFlags.None, hasNoData ? 0 : BlockBytes);
    }

    private bool IsZero(ScsiRequest request)
    {
        Span<byte> part = stackalloc byte[ComparedBytes];
        for (int at = 0; at < BlockBytes; at += ComparedBytes)
        {
            if (!request.Peek(at, part))
            {
                request.Overrun();
                return false;
            }
            if (!part.ContainsAnyExcept((byte)0)) continue;
            request.Refuse(IllegalRequest, InvalidField);
            return false;
        }
        return true;
    }

    // A list of ranges (SBC-3 §5.28), checked on a copy and as a whole before any is discarded.
    private void UnmapRanges(ScsiRequest request, ReadOnlySpan<byte> command)
    {
        int length = Word(command, 7);
        if (length == 0) return;
        Span<byte> list = stackalloc byte[ListHeaderBytes + (ScsiRequest.MostRanges * RangeBytes)];
        if (length < ListHeaderBytes || (command[1] & 1) != 0) request.Refuse(IllegalRequest, length < ListHeaderBytes ? ListLengthError : InvalidField);
        else if (length > list.Length) request.Refuse(IllegalRequest, InvalidListField);
        else if (request.Receive(list[..length]))
        {
            int ranges = Word(list, 2);
            if (ranges > length - ListHeaderBytes || ranges % RangeBytes != 0) request.Refuse(IllegalRequest, ListLengthError);
            else AddRanges(request, list.Slice(ListHeaderBytes, ranges));
        }
    }

    private void AddRanges(ScsiRequest request, ReadOnlySpan<byte> ranges)
    {
        ulong sum = 0;
        for (; ranges.Length != 0; ranges = ranges[RangeBytes..])
        {
            ulong block = Quad(ranges, 0);
            uint count = Double(ranges, 8);
            if (!IsOnDisk(request, block, count)) return;
            if ((sum += count) > MostRangeBlocks) request.Refuse(IllegalRequest, InvalidListField);
            else if (count != 0) request.Discard((long)block * BlockBytes, (long)count * BlockBytes);
        }
    }
}
