using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Devices.Ata;
using static Hutch.Devices.Ahci.AhciRegisters;

namespace Hutch.Devices.Ahci;

/// <summary>A command of a port's slot: it comes as a FIS with a list of ranges of guest memory. One object for each slot.</summary>
internal sealed class SataRequest : AtaRequest
{
    // More ranges than drivers use; each costs us memory.
    private const int MostRanges = 4096;

    private readonly Action<SataRequest> _owner;
    private readonly byte[] _fis = new byte[TableFisBytes];

    /// <summary>Makes the one of a slot; <paramref name="completed"/> is called on any thread.</summary>
    internal SataRequest(AhciPort port, int slot, Action<SataRequest> completed)
    {
        (Port, Tag) = (port, slot);
        _owner = completed;
    }

    /// <summary>Its port.</summary>
    internal AhciPort Port { get; }

    /// <summary>Its slot.</summary>
    internal int Slot => Tag;

    /// <summary>Which run of the port's command list it belongs to; one of an earlier run is forgotten.</summary>
    internal uint Run { get; set; }

    /// <summary>Address of the command header, where the count of moved bytes goes.</summary>
    internal ulong Header { get; private set; }

    /// <summary>The FIS as the guest wrote it (Serial ATA 3.3 §10.5.5).</summary>
    internal ReadOnlySpan<byte> Fis => _fis;

    /// <summary>Copies the command out of guest memory and finds its ranges. False when some of it is no RAM or there is too much.</summary>
    internal bool Read(GuestMemory memory, ulong header)
    {
        Span<byte> head = stackalloc byte[HeaderBytes];
        Header = header;
        Reset();
        if (!memory.TryCopyOut(header, head)) return false;
        ulong table = BinaryPrimitives.ReadUInt64LittleEndian(head[8..]) & ~0x7fUL;
        int ranges = BinaryPrimitives.ReadUInt16LittleEndian(head[2..]);
        if (ranges > MostRanges || !memory.TryCopyOut(table, _fis) || !memory.TryCopyOut(table + PacketPlace, PacketSpace)) return false;
        TakeRegisters();
        return FindRanges(memory, table + RangesPlace, ranges);
    }

    private protected override void Completed() => _owner(this);

    private void TakeRegisters()
    {
        Command = _fis[2];
        Device = _fis[7];
        Lba = _fis[4] | (ulong)_fis[5] << 8 | (ulong)_fis[6] << 16 | (ulong)_fis[8] << 24 | (ulong)_fis[9] << 32 | (ulong)_fis[10] << 40;
        Features = (ushort)(_fis[3] | _fis[11] << 8);
        RequestedCount = BinaryPrimitives.ReadUInt16LittleEndian(_fis.AsSpan(12));
    }

    private bool FindRanges(GuestMemory memory, ulong at, int ranges)
    {
        Reserve(ranges);
        Span<byte> entry = stackalloc byte[RangeBytes];
        for (int i = 0; i < ranges; i++, at += RangeBytes)
        {
            if (!memory.TryCopyOut(at, entry)) return false;
            ulong address = BinaryPrimitives.ReadUInt64LittleEndian(entry) & ~1UL;
            if (!Add(memory, address, (BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]) & RangeLengthMask) + 1)) return false;
        }
        return true;
    }
}
