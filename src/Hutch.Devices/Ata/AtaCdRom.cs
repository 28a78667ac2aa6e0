using System;
using System.Buffers.Binary;
using Hutch.Block.Graph;
using Hutch.Core.State;
using Hutch.Model.Machine;
using static Hutch.Devices.Ata.AtaRegisters;

namespace Hutch.Devices.Ata;

/// <summary>
/// A CD-ROM drive: a packet device (ATA8-ACS §4.3) with the commands of multimedia devices (MMC-6, SPC-4). A guest may open its tray; the disc is then gone until it closes
/// it.
/// </summary>
internal sealed partial class AtaCdRom : AtaDrive
{
    private const int SectorBytes = 2048, MostAnswerBytes = 512;
    private const byte NoSense = 0, NotReady = 2, MediumError = 3, IllegalRequest = 5, UnitAttention = 6;
    private const ushort NoMedium = 0x3a00, InvalidCommand = 0x2000, InvalidField = 0x2400, OutOfRange = 0x2100, ReadFailed = 0x1100, MediumChanged = 0x2800, RemovalPrevented = 0x5302;

    // The sector count of an answer to PACKET: the command is complete (ATA8-ACS §7.21.5).
    private const ushort Complete = 3;

    private readonly byte[] _answer = new byte[MostAnswerBytes];
    private byte _senseKey;
    private ushort _senseCode;
    private bool _isOpen, _isLocked, _hasEvent;

    /// <summary>Makes the drive, with the medium of its configuration. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="config">The drive.</param>
    /// <param name="bus">How it is connected.</param>
    /// <param name="open">Opens a medium. Throws <see cref="ConfigException"/>.</param>
    internal AtaCdRom(AtaDriveConfig config, AtaBus bus, Func<DiskConfig, BlockNode> open) : base(config, bus)
    {
        _open = open;
        if (config.Disk is not null) _node = open(config.Disk);
    }

    /// <inheritdoc/>
    internal override uint Signature => PacketSignature;

    /// <inheritdoc/>
    internal override int BlockBytesOf(byte command) => MostAnswerBytes;

    private uint Sectors => (uint)Math.Min((_node?.LengthBytes ?? 0) / SectorBytes, int.MaxValue);

    /// <inheritdoc/>
    internal override void Execute(AtaRequest request)
    {
        switch (request.Command)
        {
            case AtaRegisters.Packet: ExecutePacket(request); break;
            case IdentifyPacket: Answer(request, BuildIdentity()); break;
            case DeviceReset: Reset(); break;
            case SetFeatures when (byte)request.Features is 0x03 or 0x66 or 0xcc: break;
            case CheckPower: request.Count = 0xff; break;
            case StandbyImmediate or IdleImmediate or Standby or Idle or Sleep: break;
            case ExecuteDiagnostic: request.Error = 1; break;
            default: request.Refuse(); break;
        }
    }

    /// <inheritdoc/>
    internal override void Fail(AtaRequest request) => Refuse(request, MediumError, ReadFailed);

    /// <inheritdoc/>
    internal override void Reset()
    {
        _senseKey = NoSense;
        _senseCode = 0;
        _isLocked = false;
    }

    /// <inheritdoc/>
    internal override void Exchange(StateFields fields)
    {
        fields.Value("sense-key", ref _senseKey);
        fields.Value("sense-code", ref _senseCode);
        fields.Value("open", ref _isOpen);
        fields.Value("locked", ref _isLocked);
        fields.Value("event", ref _hasEvent);
        if (!fields.Has("attention")) return;
        fields.Value("attention", ref _hasAttention);
        fields.Value("eject-asked", ref _isEjectAsked);
    }

    /// <summary>Whether the command of a packet moves data; one that says so for nothing needs no bus master.</summary>
    internal static bool MovesData(ReadOnlySpan<byte> packet) => packet[0] is not (0x00 or 0x1b or 0x1e or 0x2b or 0xbb);

    private void ExecutePacket(AtaRequest request)
    {
        ReadOnlySpan<byte> packet = request.Packet;
        request.Count = Complete;
        byte command = packet[0];
        if (command is not (0x03 or 0x12))
        {
            _senseKey = NoSense;
            _senseCode = 0;
        }
        if (_hasAttention && command is not (0x03 or 0x12 or 0x46 or 0x4a))
        {
            _hasAttention = false;
            Refuse(request, UnitAttention, MediumChanged);
            return;
        }
        if (!HasMedium && command is (0x00 or 0x25 or 0x28 or 0xa8 or 0x43 or 0x51 or 0x2b))
        {
            Refuse(request, NotReady, NoMedium);
            return;
        }
        switch (command)
        {
            case 0x00 or 0x2b or 0xbb: break;                                                        // TEST UNIT READY, SEEK, SET CD SPEED
            case 0x03: Send(request, BuildSense(), packet[4]); break;                                // REQUEST SENSE
            case 0x12 when (packet[1] & 1) == 0 && packet[2] == 0: Send(request, BuildInquiry(), Word(packet, 3)); break;
            case 0x1a: SendMode(request, packet[2], packet[4], isLong: false); break;                // MODE SENSE (6)
            case 0x5a: SendMode(request, packet[2], Word(packet, 7), isLong: true); break;           // MODE SENSE (10)
            case 0x1b: Move(request, packet[4]); break;                                              // START STOP UNIT
            case 0x1e: _isLocked = (packet[4] & 1) != 0; break;                                      // PREVENT ALLOW MEDIUM REMOVAL
            case 0x25: SendCapacity(request); break;
            case 0x28: Read(request, Double(packet, 2), Word(packet, 7)); break;
            case 0xa8: Read(request, Double(packet, 2), Double(packet, 6)); break;
            case 0x43: SendToc(request, packet); break;
            case 0x46: SendConfiguration(request, packet); break;
            case 0x4a: SendEvent(request, packet); break;
            case 0x51: Send(request, BuildDiscInformation(), Word(packet, 7)); break;
            case 0xbd: Send(request, [0, 0, 0, 0, 0, 1, 0, 0], Word(packet, 8)); break;              // MECHANISM STATUS: one slot
            default: Refuse(request, IllegalRequest, command is 0x12 ? InvalidField : InvalidCommand); break;
        }
    }

    private void Read(AtaRequest request, uint sector, uint count)
    {
        if (sector > Sectors || count > Sectors - sector)
        {
            Refuse(request, IllegalRequest, OutOfRange);
            return;
        }
        long length = (long)count * SectorBytes;
        if (request.RoomBytes < length)
        {
            Refuse(request, IllegalRequest, InvalidField);
            return;
        }
        request.Operation = AtaOperation.Read;
        request.Offset = (long)sector * SectorBytes;
        request.LengthBytes = length;
    }

    private void Move(AtaRequest request, byte action)
    {
        if ((action & 2) == 0) return;
        bool open = (action & 1) == 0;
        if (open && _isLocked)
        {
            Refuse(request, IllegalRequest, RemovalPrevented);
            return;
        }
        _hasEvent |= open != _isOpen;
        _isOpen = open;
    }

    private void SendCapacity(AtaRequest request)
    {
        Span<byte> answer = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32BigEndian(answer, Math.Max(Sectors, 1) - 1);
        BinaryPrimitives.WriteUInt32BigEndian(answer[4..], SectorBytes);
        Send(request, answer, answer.Length);
    }

    // A track of data and the lead-out; in frames where the guest asks for time (MMC-6 §6.25).
    private void SendToc(AtaRequest request, ReadOnlySpan<byte> packet)
    {
        bool isTime = (packet[1] & 2) != 0;
        int format = packet[2] & 0xf;
        if (format == 0) format = packet[9] >> 6;
        if (format > 1 || (format == 0 && packet[6] is > 1 and not 0xaa))
        {
            Refuse(request, IllegalRequest, InvalidField);
            return;
        }
        Span<byte> toc = _answer.AsSpan();
        toc.Clear();
        toc[2] = toc[3] = 1;                                    // first and last track, or session
        int length = 4;
        if (format == 1 || packet[6] != 0xaa) length += AddTrack(toc[length..], 1, 0, isTime);
        if (format == 0) length += AddTrack(toc[length..], 0xaa, Sectors, isTime);
        BinaryPrimitives.WriteUInt16BigEndian(toc, (ushort)(length - 2));
        Send(request, toc[..length], Word(packet, 7));
    }

    private static int AddTrack(Span<byte> entry, byte number, uint sector, bool isTime)
    {
        entry[1] = 0x14;                                        // data, which may be copied not
        entry[2] = number;
        uint frames = sector + 150;
        uint place = isTime ? frames / (75 * 60) << 16 | frames / 75 % 60 << 8 | frames % 75 : sector;
        BinaryPrimitives.WriteUInt32BigEndian(entry[4..], place);
        return 8;
    }

    // The profile list and the features that every drive has (MMC-6 §5.3).
    private void SendConfiguration(AtaRequest request, ReadOnlySpan<byte> packet)
    {
        Span<byte> answer = _answer.AsSpan();
        answer.Clear();
        bool isDvd = Sectors > 1_151_850 / 3;
        ushort current = !HasMedium ? (ushort)0 : isDvd ? (ushort)0x10 : (ushort)0x08;
        BinaryPrimitives.WriteUInt16BigEndian(answer[6..], current);
        int first = Word(packet, 2), kind = packet[1] & 3, length = 8;
        if (first == 0)
        {
            ReadOnlySpan<byte> profiles = [0, 0, 3, 8, 0, 0x10, isDvd && HasMedium ? (byte)1 : (byte)0, 0, 0, 0x08, !isDvd && HasMedium ? (byte)1 : (byte)0, 0];
            profiles.CopyTo(answer[length..]);
            length += profiles.Length;
        }
        if (kind == 2 ? first == 1 : first <= 1)
        {
            ReadOnlySpan<byte> core = [0, 1, 0x0b, 8, 0, 0, 0, Bus == AtaBus.Serial ? (byte)8 : (byte)2, 1, 0, 0, 0];     // core: the interface is Serial ATA or ATAPI
            core.CopyTo(answer[length..]);
            length += core.Length;
        }
        if (kind == 2 ? first == 3 : first <= 3)
        {
            ReadOnlySpan<byte> removable = [0, 3, 3, 4, 0x39, 0, 0, 0];              // a tray that can be locked and opened
            removable.CopyTo(answer[length..]);
            length += removable.Length;
        }
        BinaryPrimitives.WriteUInt32BigEndian(answer, (uint)length - 4);
        Send(request, answer[..length], Word(packet, 7));
    }

    // Only by asking, and of the medium (MMC-6 §6.6).
    private void SendEvent(AtaRequest request, ReadOnlySpan<byte> packet)
    {
        if ((packet[1] & 1) == 0)
        {
            Refuse(request, IllegalRequest, InvalidField);
            return;
        }
        const byte Media = 0x10;
        if ((packet[4] & Media) == 0)
        {
            Send(request, [0, 2, 0x80, Media], Word(packet, 7));
            return;
        }
        // None, the button was pressed, a new medium, the medium is gone.
        byte what = _isEjectAsked ? (byte)1 : !_hasEvent ? (byte)0 : HasMedium ? (byte)2 : (byte)3;
        if (_isEjectAsked) _isEjectAsked = false;
        else _hasEvent = false;
        Send(request, [0, 6, 4, Media, what, _isOpen ? (byte)1 : HasMedium ? (byte)2 : (byte)0, 0, 0], Word(packet, 7));
    }

    private void SendMode(AtaRequest request, byte page, int most, bool isLong)
    {
        Span<byte> answer = _answer.AsSpan();
        answer.Clear();
        int header = isLong ? 8 : 4, length = header;
        bool all = (page & 0x3f) == 0x3f;
        // Error recovery, and what the drive can do (MMC-6 §7.3, §E.3): play nothing, read CD-R and DVD, lock and open its tray.
        ReadOnlySpan<byte> recovery = [0x01, 0x0a, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0];
        ReadOnlySpan<byte> capabilities = [0x2a, 0x12, 0x3b, 0, 0, 0, _isLocked ? (byte)0x2b : (byte)0x29, 0, 0x16, 0, 0, 2, 2, 0, 0x16, 0, 0, 0, 0, 0];
        if (all || (page & 0x3f) == 0x01) Add(answer, ref length, recovery);
        if (all || (page & 0x3f) == 0x2a) Add(answer, ref length, capabilities);
        if (length == header || page >> 6 == 3)
        {
            Refuse(request, IllegalRequest, InvalidField);
            return;
        }
        if (isLong) BinaryPrimitives.WriteUInt16BigEndian(answer, (ushort)(length - 2));
        else answer[0] = (byte)(length - 1);
        Send(request, answer[..length], most);
    }

    private static void Add(Span<byte> answer, ref int length, ReadOnlySpan<byte> page)
    {
        page.CopyTo(answer[length..]);
        length += page.Length;
    }

    private ReadOnlySpan<byte> BuildSense()
    {
        Span<byte> sense = _answer.AsSpan(0, 18);
        sense.Clear();
        sense[0] = 0x70;
        sense[2] = _senseKey;
        sense[7] = 10;
        BinaryPrimitives.WriteUInt16BigEndian(sense[12..], _senseCode);
        _senseKey = NoSense;
        _senseCode = 0;
        return sense;
    }

    private ReadOnlySpan<byte> BuildInquiry()
    {
        Span<byte> inquiry = _answer.AsSpan(0, 36);
        inquiry.Fill((byte)' ');
        ReadOnlySpan<byte> head = [0x05, 0x80, 0x05, 0x32, 31, 0, 0, 0];                // CD, removable, MMC, a packet device
        head.CopyTo(inquiry);
        "Hutch"u8.CopyTo(inquiry[8..]);
        "CD-ROM"u8.CopyTo(inquiry[16..]);
        "1.0"u8.CopyTo(inquiry[32..]);
        return inquiry;
    }

    private ReadOnlySpan<byte> BuildDiscInformation()
    {
        Span<byte> information = _answer.AsSpan(0, 34);
        information.Clear();
        information[1] = 32;
        information[2] = 0x0e;                                  // complete, not erasable
        information[3] = information[4] = information[5] = information[6] = 1;
        information[17..24].Fill(0xff);
        return information;
    }

    private byte[] BuildIdentity()
    {
        byte[] identity = _answer;
        Array.Clear(identity);
        Put(identity, 0, 0x85c0);                               // packet device, CD-ROM, removable, packets of 12 bytes
        PutText(identity, 10, 20, Serial);
        PutText(identity, 23, 8, "1.0");
        PutText(identity, 27, 40, "Hutch CD-ROM");
        Put(identity, 49, 0x0f00);
        Put(identity, 53, 0x0006);
        Put(identity, 63, 0x0007);
        Put(identity, 64, 0x0003);
        for (int word = 65; word <= 68; word++) Put(identity, word, 120);
        if (Bus == AtaBus.Serial) Put(identity, 76, 0x000e);
        else Put(identity, 93, Cable80);
        Put(identity, 80, 0x01f0);
        Put(identity, 82, 0x4210);                              // NOP, DEVICE RESET, PACKET
        Put(identity, 83, 0x4000);
        Put(identity, 84, 0x4000);
        Put(identity, 85, 0x4210);
        Put(identity, 87, 0x4000);
        Put(identity, 88, 0x203f);
        return identity;
    }

    private static void Send(AtaRequest request, ReadOnlySpan<byte> answer, int most) => Answer(request, answer[..Math.Min(answer.Length, most)]);

    private void Refuse(AtaRequest request, byte key, ushort code)
    {
        (_senseKey, _senseCode) = (key, code);
        request.Refuse((byte)(key << 4 | ErrorAbort));
    }

    private static ushort Word(ReadOnlySpan<byte> packet, int at) => BinaryPrimitives.ReadUInt16BigEndian(packet[at..]);

    private static uint Double(ReadOnlySpan<byte> packet, int at) => BinaryPrimitives.ReadUInt32BigEndian(packet[at..]);
}
