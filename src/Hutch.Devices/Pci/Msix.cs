using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;

namespace Hutch.Devices.Pci;

/// <summary>
/// MSI-X (PCI Express Base 5.0 §6.1.4, §7.7.2): the table and the pending bit array, which fill a BAR of their own.
/// A masked vector that is signalled becomes pending and is delivered when its mask and the function mask are off. Any thread.
/// </summary>
internal sealed class Msix : IBusDevice
{
    /// <summary>Length of the BAR: the table in the first half, the pending bits in the second.</summary>
    internal const int BarBytes = 0x1000;

    /// <summary>No more vectors fit.</summary>
    internal const int MaxVectors = PendingOffset / EntryBytes;

    private const int EntryBytes = 16, PendingOffset = 0x800;
    private const ushort ControlEnable = 1 << 15, ControlFunctionMask = 1 << 14;

    private readonly Lock _lock = new();
    private readonly IInterruptRouter _router;
    private readonly uint[] _table;           // per vector: address low, address high, data, control (bit 0: masked)
    private readonly ulong[] _pending;
    private ushort _control;

    internal Msix(int vectors, IInterruptRouter router)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(vectors, MaxVectors);
        VectorCount = vectors;
        _router = router;
        _table = new uint[vectors * 4];
        _pending = new ulong[(vectors + 63) / 64];
        Reset();
    }

    internal int VectorCount { get; }

    /// <summary>The guest switched from INTx to MSI-X.</summary>
    internal bool IsEnabled => (Volatile.Read(ref _control) & ControlEnable) != 0;

    /// <summary>The capability's body behind its header, for a table in BAR <paramref name="bar"/>.</summary>
    internal byte[] CapabilityBody(int bar)
    {
        byte[] body = new byte[10];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)(VectorCount - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(2), (uint)bar);
        BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(6), PendingOffset | (uint)bar);
        return body;
    }

    /// <summary>Which bits of the capability's body the guest may write: enable and function mask.</summary>
    internal static ReadOnlySpan<byte> CapabilityWritable => [0, 0xc0];

    /// <summary>Takes the message control register after the guest wrote it.</summary>
    internal void SetControl(ushort control)
    {
        lock (_lock)
        {
            _control = control;
            for (int vector = 0; vector < VectorCount; vector++) DeliverPending(vector);
        }
    }

    /// <summary>Sends the vector's message, or remembers it while masked. Nothing while MSI-X is off or the vector does not exist.</summary>
    internal void Signal(int vector)
    {
        if ((uint)vector >= (uint)VectorCount) return;
        lock (_lock)
        {
            if ((_control & ControlEnable) == 0) return;
            _pending[vector / 64] |= 1UL << (vector % 64);
            DeliverPending(vector);
        }
    }

    /// <summary>Power-on state: off, every vector masked.</summary>
    internal void Reset()
    {
        lock (_lock)
        {
            _control = 0;
            Array.Clear(_pending);
            Array.Clear(_table);
            for (int vector = 0; vector < VectorCount; vector++) _table[(vector * 4) + 3] = 1;
        }
    }

    /// <summary>Saves or restores the table and what is pending; delivers nothing.</summary>
    internal void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("control", ref _control);
            fields.Numbers("table", _table);
            fields.Numbers("pending", _pending);
            for (int vector = 0; vector < VectorCount; vector++)
            {
                _table[vector * 4] &= ~3u;
                _table[(vector * 4) + 3] &= 1;
            }
        }
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        if (!IsLegal(offset, data.Length)) return BusStatus.BadWidth;
        lock (_lock)
            for (int i = 0; i < data.Length; i += 4) BinaryPrimitives.WriteUInt32LittleEndian(data[i..], ReadWord((int)offset + i));
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (!IsLegal(offset, data.Length)) return BusStatus.BadWidth;
        lock (_lock)
        {
            for (int i = 0; i < data.Length; i += 4)
            {
                int word = ((int)offset + i) / 4;
                if (word >= _table.Length) break;                      // pending bits are read-only, the rest is reserved
                uint value = BinaryPrimitives.ReadUInt32LittleEndian(data[i..]);
                _table[word] = (word & 3) switch { 0 => value & ~3u, 3 => value & 1, _ => value };
                DeliverPending(word / 4);
            }
        }
        return BusStatus.Handled;
    }

    private static bool IsLegal(ulong offset, int length) =>
        length is 4 or 8 && offset <= (ulong)(BarBytes - length) && offset % (ulong)length == 0;

    private uint ReadWord(int offset)
    {
        int word = offset / 4;
        if (word < _table.Length) return _table[word];
        int pendingWord = (offset - PendingOffset) / 4;
        return offset >= PendingOffset && pendingWord / 2 < _pending.Length ? (uint)(_pending[pendingWord / 2] >> (32 * (pendingWord & 1))) : 0;
    }

    private void DeliverPending(int vector)
    {
        ref ulong pending = ref _pending[vector / 64];
        ulong bit = 1UL << (vector % 64);
        if ((pending & bit) == 0 || (_control & (ControlEnable | ControlFunctionMask)) != ControlEnable) return;
        int entry = vector * 4;
        if ((_table[entry + 3] & 1) != 0) return;
        pending &= ~bit;
        _router.SignalMsi(new MsiMessage(_table[entry] | ((ulong)_table[entry + 1] << 32), _table[entry + 2]));
    }
}
