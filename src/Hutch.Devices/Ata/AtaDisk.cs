using System;
using System.Buffers.Binary;
using System.Numerics;
using Hutch.Block.Graph;
using Hutch.Core.State;
using Hutch.Devices.Storage;
using Hutch.Model.Machine;
using static Hutch.Devices.Ata.AtaRegisters;

namespace Hutch.Devices.Ata;

/// <summary>
/// A disk (ATA8-ACS): reads, writes and flushes, queued or not, with 28 or 48 bits of address, and TRIM. On a cable it understands cylinders, heads and sectors too
/// (ATA/ATAPI-5 §6.2).
/// </summary>
internal sealed class AtaDisk : AtaDrive
{
    private const int BlockBytes = 512, MostTrimBlocks = 8, MultipleSectors = 16, MostQueued = 32;
    private const int MostCylinders = 16383, Heads = 16, TrackSectors = 63;
    private const byte ErrorLog = 0x10, LogDirectory = 0x00;

    private readonly bool _canTrim;
    private readonly int _sectorBytes;
    private readonly byte[] _answer = new byte[BlockBytes];
    private readonly byte[] _trimList = new byte[MostTrimBlocks * BlockBytes];
    private readonly byte[] _errorLog = new byte[BlockBytes];
    private bool _hasWriteCache = true;
    private byte _multiple = MultipleSectors, _heads = Heads, _trackSectors = TrackSectors;

    internal AtaDisk(AtaDriveConfig config, BlockNode node, AtaBus bus) : base(config, bus)
    {
        Node = node;
        _sectorBytes = Math.Max(BlockBytes, node.Limits.RequestAlignmentBytes);
        _canTrim = config.Disk is { Discard: true } && node.Limits.CanDiscard && !node.Limits.IsReadOnly;
    }

    /// <inheritdoc/>
    internal override BlockNode Node { get; }

    /// <inheritdoc/>
    internal override uint Signature => DiskSignature;

    /// <inheritdoc/>
    internal override int BlockBytesOf(byte command) =>
        command is ReadMultiple or ReadMultipleExt or WriteMultiple or WriteMultipleExt or WriteMultipleFuaExt ? _multiple * _sectorBytes
        : command is ReadSectors or ReadSectorsExt or WriteSectors or WriteSectorsExt ? _sectorBytes : BlockBytes;

    private ulong Sectors => (ulong)(Node.LengthBytes / _sectorBytes);

    /// <inheritdoc/>
    internal override void Execute(AtaRequest request)
    {
        byte command = request.Command;
        switch (command)
        {
            case ReadSectors or ReadMultiple or ReadDma: Transfer(request, AtaOperation.Read, isLong: false); break;
            case ReadSectorsExt or ReadMultipleExt or ReadDmaExt: Transfer(request, AtaOperation.Read, isLong: true); break;
            case WriteSectors or WriteMultiple or WriteDma: Transfer(request, AtaOperation.Write, isLong: false); break;
            case WriteSectorsExt or WriteMultipleExt or WriteDmaExt: Transfer(request, AtaOperation.Write, isLong: true); break;
            case WriteDmaFuaExt or WriteMultipleFuaExt: Transfer(request, AtaOperation.Write, isLong: true, isDurable: true); break;
            case ReadFpdma or WriteFpdma when Bus == AtaBus.Serial: TransferQueued(request, command == ReadFpdma ? AtaOperation.Read : AtaOperation.Write); break;
            case ReadVerify or ReadVerifyExt: Verify(request, command == ReadVerifyExt); break;
            case FlushCache or FlushCacheExt: request.Operation = AtaOperation.Flush; break;
            case DataSetManagement: Trim(request); break;
            case Identify: Answer(request, BuildIdentity()); break;
            case ReadLogExt or ReadLogDmaExt: ReadLog(request); break;
            case SetFeatures: SetFeature(request); break;
            case SetMultiple when (byte)request.RequestedCount is > 0 and <= MultipleSectors && BitOperations.IsPow2((byte)request.RequestedCount): _multiple = (byte)request.RequestedCount; break;
            case CheckPower: request.Count = 0xff; break;
            case InitializeParameters when Bus == AtaBus.Parallel: SetGeometry(request); break;
            case Recalibrate or ExecuteDiagnostic or InitializeParameters or StandbyImmediate or IdleImmediate or Standby or Idle or Sleep:
                if (command == ExecuteDiagnostic) request.Error = 1;
                break;
            default: request.Refuse(); break;
        }
    }

    /// <inheritdoc/>
    internal override void Fail(AtaRequest request)
    {
        request.Refuse(request.Operation == AtaOperation.Read ? ErrorUncorrectable : ErrorAbort);
        if (!request.IsQueued) return;
        // Log page 10h tells the driver which of its queued commands failed (ATA8-ACS, "NCQ Command Error log").
        Array.Clear(_errorLog);
        _errorLog[0] = (byte)request.Tag;
        _errorLog[2] = request.Status;
        _errorLog[3] = request.Error;
        BinaryPrimitives.WriteUInt32LittleEndian(_errorLog.AsSpan(4), (uint)request.Lba & 0xff_ffff);
        BinaryPrimitives.WriteUInt32LittleEndian(_errorLog.AsSpan(8), (uint)(request.Lba >> 24));
        _errorLog[^1] = Checksum(_errorLog);
    }

    /// <inheritdoc/>
    internal override void Reset()
    {
        _hasWriteCache = true;
        _multiple = MultipleSectors;
        Array.Clear(_errorLog);
    }

    /// <inheritdoc/>
    internal override void Exchange(StateFields fields)
    {
        if (!fields.IsRestoring) DiskNodes.FlushForState(Node, Name);
        DiskNodes.ExchangeSectors(fields, Name, Sectors);
        fields.Value("write-cache", ref _hasWriteCache);
        fields.Bytes("error-log", _errorLog);
        if (!fields.Has("multiple")) return;
        fields.Value("multiple", ref _multiple);
        fields.Require(_multiple is > 0 and <= MultipleSectors && BitOperations.IsPow2(_multiple), "multiple");
        if (Bus == AtaBus.Serial) return;
        fields.Value("heads", ref _heads);
        fields.Value("track-sectors", ref _trackSectors);
        fields.Require(_heads is > 0 and <= Heads && _trackSectors != 0, "heads");
    }

    private void Transfer(AtaRequest request, AtaOperation operation, bool isLong, bool isDurable = false)
    {
        (ulong lba, uint count) = Range(request, isLong);
        // Cylinders, heads and sectors went with the cable.
        if ((request.Device & DeviceLba) == 0 && (isLong || Bus == AtaBus.Serial)) request.Refuse();
        else Begin(request, operation, lba, count, isDurable);
        request.IsProgrammedInput = request.Command is ReadSectors or ReadSectorsExt or ReadMultiple or ReadMultipleExt;
    }

    private void TransferQueued(AtaRequest request, AtaOperation operation)
    {
        request.IsQueued = true;
        uint count = request.Features;
        // The tag says which bit of the active register the command has.
        if (request.RequestedCount >> 3 != request.Tag) request.Refuse();
        else Begin(request, operation, request.Lba, count == 0 ? 65536u : count, (request.Device & DeviceFua) != 0);
    }

    private void Begin(AtaRequest request, AtaOperation operation, ulong lba, uint count, bool isDurable)
    {
        if (!IsOnDisk(lba, count))
        {
            request.Refuse(ErrorNotFound);
            return;
        }
        long length = (long)count * _sectorBytes;
        if (request.RoomBytes < length || (operation == AtaOperation.Write && Node.Limits.IsReadOnly))
        {
            request.Refuse();
            return;
        }
        request.Operation = operation;
        request.Offset = (long)lba * _sectorBytes;
        request.LengthBytes = length;
        request.Flags = operation == AtaOperation.Write && (isDurable || !_hasWriteCache) ? WriteFlags.Durable : WriteFlags.None;
    }

    private void Verify(AtaRequest request, bool isLong)
    {
        (ulong lba, uint count) = Range(request, isLong);
        if (!IsOnDisk(lba, count)) request.Refuse(ErrorNotFound);
    }

    // 28 or 48 bits of address; a count of 0 is the most that there can be.
    private (ulong Lba, uint Count) Range(AtaRequest request, bool isLong)
    {
        ulong lba = isLong ? request.Lba : (request.Device & DeviceLba) == 0 ? Translate(request) : request.Lba & 0xff_ffff | (ulong)(request.Device & 0xf) << 24;
        uint count = isLong ? request.RequestedCount : (byte)request.RequestedCount;
        return (lba, count != 0 ? count : isLong ? 65536u : 256u);
    }

    // A place that the geometry does not have is nowhere on the disk.
    private ulong Translate(AtaRequest request)
    {
        ulong sector = request.Lba & 0xff, cylinder = request.Lba >> 8 & 0xffff, head = request.Device & 0xfu;
        return sector == 0 || sector > _trackSectors || head >= _heads ? ulong.MaxValue : (((cylinder * _heads) + head) * _trackSectors) + sector - 1;
    }

    private void SetGeometry(AtaRequest request)
    {
        if ((byte)request.RequestedCount == 0) request.Refuse();
        else (_heads, _trackSectors) = ((byte)((request.Device & 0xf) + 1), (byte)request.RequestedCount);
    }

    private bool IsOnDisk(ulong lba, ulong count) => lba <= Sectors && count <= Sectors - lba;

    // Ranges of 48 bits of address and 16 bits of count; a count of 0 is an unused entry (ATA8-ACS §7.10.3.2).
    private void Trim(AtaRequest request)
    {
        int bytes = request.RequestedCount * BlockBytes;
        if (!_canTrim || (request.Features & 1) == 0 || bytes == 0 || bytes > _trimList.Length || request.CopyOut(_trimList.AsSpan(0, bytes)) != bytes)
        {
            request.Refuse();
            return;
        }
        for (int at = 0; at < bytes; at += 8)
        {
            ulong entry = BinaryPrimitives.ReadUInt64LittleEndian(_trimList.AsSpan(at));
            ulong lba = entry & 0xffff_ffff_ffff, count = entry >> 48;
            if (count == 0) continue;
            if (!IsOnDisk(lba, count))
            {
                request.Refuse(ErrorNotFound);
                return;
            }
            request.Ranges.Add(((long)lba * _sectorBytes, (long)count * _sectorBytes));
        }
        request.Operation = AtaOperation.Trim;
    }

    private void ReadLog(AtaRequest request)
    {
        byte log = (byte)request.Lba;
        Array.Clear(_answer);
        if (request.RequestedCount != 1 || (byte)(request.Lba >> 8) != 0 || log is not (LogDirectory or ErrorLog))
        {
            request.Refuse();
            return;
        }
        if (log == ErrorLog) _errorLog.CopyTo(_answer, 0);
        else _answer[0] = _answer[2 * ErrorLog] = 1;             // version of the directory; pages of the error log
        Answer(request, _answer);
    }

    private void SetFeature(AtaRequest request)
    {
        switch ((byte)request.Features)
        {
            case 0x02: _hasWriteCache = true; break;
            case 0x82: _hasWriteCache = false; break;
            case 0x03 or 0x55 or 0xaa or 0x66 or 0xcc: break;     // transfer mode, read look-ahead, defaults
            default: request.Refuse(); break;
        }
    }

    private byte[] BuildIdentity()
    {
        Span<byte> identity = _answer;
        identity.Clear();
        ulong sectors = Sectors;
        Put(identity, 0, 0x0040);
        Put(identity, 1, (int)Math.Min(MostCylinders, sectors / (Heads * TrackSectors)));
        Put(identity, 3, Heads);
        Put(identity, 6, TrackSectors);
        PutText(identity, 10, 20, Serial);
        PutText(identity, 23, 8, "1.0");
        PutText(identity, 27, 40, "Hutch disk");
        Put(identity, 47, 0x8000 | MultipleSectors);
        Put(identity, 49, 0x0f00);                              // LBA, DMA
        Put(identity, 50, 0x4000);
        Put(identity, 53, 0x0006);                              // words 64 to 70 and 88 are valid
        Put(identity, 59, 0x0100 | _multiple);
        BinaryPrimitives.WriteUInt32LittleEndian(identity[120..], (uint)Math.Min(sectors, 0x0fff_ffff));
        Put(identity, 63, 0x0007);
        Put(identity, 64, 0x0003);
        for (int word = 65; word <= 68; word++) Put(identity, word, 120);
        if (Bus == AtaBus.Serial)
        {
            Put(identity, 75, MostQueued - 1);
            Put(identity, 76, 0x010e);                          // three speeds, queued commands
        }
        else
        {
            Put(identity, 93, Cable80);
            PutGeometry(identity);
        }
        Put(identity, 80, 0x01f0);                              // ATA/ATAPI-4 to ATA8-ACS
        Put(identity, 82, 0x4028);                              // NOP, write cache, power management
        Put(identity, 83, 0x7400);                              // FLUSH CACHE (EXT), 48-bit addresses
        Put(identity, 84, 0x4060);                              // FUA, general purpose logging
        Put(identity, 85, (ushort)(0x4008 | (_hasWriteCache ? 0x20 : 0)));
        Put(identity, 86, 0x3400);
        Put(identity, 87, 0x4060);
        Put(identity, 88, 0x203f);
        BinaryPrimitives.WriteUInt64LittleEndian(identity[200..], sectors);
        Put(identity, 105, _canTrim ? (ushort)MostTrimBlocks : (ushort)0);
        int physical = BitOperations.Log2((uint)Math.Max(1, Node.Limits.PhysicalBlockBytes / _sectorBytes));
        Put(identity, 106, (ushort)(0x4000 | (physical > 0 ? 0x2000 | (physical & 0xf) : 0) | (_sectorBytes > BlockBytes ? 0x1000 : 0)));
        BinaryPrimitives.WriteUInt32LittleEndian(identity[234..], (uint)_sectorBytes / 2);
        Put(identity, 169, _canTrim ? (ushort)1 : (ushort)0);
        Put(identity, 217, 1);                                  // no rotation
        Put(identity, 222, Bus == AtaBus.Serial ? 0x1000 | 0x003f : 0);
        identity[510] = 0xa5;
        identity[511] = Checksum(identity);
        return _answer;
    }

    // The geometry that addresses are translated by: word 53 says that these words are valid.
    private void PutGeometry(Span<byte> identity)
    {
        uint cylinders = (uint)Math.Min(ushort.MaxValue, Sectors / ((uint)_heads * _trackSectors));
        Put(identity, 53, 0x0007);
        Put(identity, 54, (ushort)cylinders);
        Put(identity, 55, _heads);
        Put(identity, 56, _trackSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(identity[114..], cylinders * _heads * _trackSectors);
    }

    // What makes all bytes of a page add up to zero.
    private static byte Checksum(ReadOnlySpan<byte> page)
    {
        byte sum = 0;
        foreach (byte value in page[..^1]) sum += value;
        return (byte)-sum;
    }
}
