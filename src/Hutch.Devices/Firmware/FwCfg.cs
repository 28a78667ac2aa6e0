using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Core.State;

namespace Hutch.Devices.Firmware;

/// <summary>
/// The firmware configuration device of QEMU's PC machines (QEMU docs/specs/fw_cfg): a selector at 0x510, data a byte at a time at 0x511, and a DMA interface at 0x514
/// whose registers and structures are big-endian. Any thread.
/// </summary>
internal sealed class FwCfg : IBusDevice
{
    private const ushort SelectorPort = 0x510, DmaPort = 0x514;
    private const int SelectorBytes = 2, DmaBytes = 8, CommandBytes = 16, ChunkBytes = 4096;
    private const ushort SignatureItem = 0, FeaturesItem = 1;
    private const byte Traditional = 1, Dma = 2;
    private const ulong DmaSignature = 0x51454d5520434647;
    private const uint DmaError = 1, DmaRead = 2, DmaSkip = 4, DmaSelect = 8, DmaWrite = 16;

    private readonly Lock _lock = new();
    private readonly GuestMemory _memory;
    private readonly Action<ushort>? _selected;
    private readonly byte[] _chunk = new byte[ChunkBytes];
    private ushort _number;
    private uint _offset, _dmaHigh;

    /// <summary>Puts the device at its ports.</summary>
    /// <param name="memory">Where DMA goes.</param>
    /// <param name="ports">I/O port space.</param>
    /// <param name="selected">Called when the guest selects an item, so that its content can be made now.</param>
    internal FwCfg(GuestMemory memory, AddressBus ports, Action<ushort>? selected = null)
    {
        _memory = memory;
        _selected = selected;
        Items.Set(SignatureItem, "QEMU"u8.ToArray());
        Items.Set(FeaturesItem, Traditional | Dma, 0, 0, 0);
        ports.Map("fw_cfg", SelectorPort, SelectorBytes, this);
        ports.Map("fw_cfg dma", DmaPort, DmaBytes, new DmaRegister(this));
    }

    /// <summary>What it tells. Changed while no vCPU runs, or in the call that an item was selected.</summary>
    internal FwCfgItems Items { get; } = new();

    /// <summary>Power-on state.</summary>
    internal void Reset()
    {
        lock (_lock)
        {
            _number = 0;
            _offset = _dmaHigh = 0;
        }
    }

    /// <summary>Saves or restores how far the guest has read.</summary>
    internal void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("selected", ref _number);
            fields.Value("offset", ref _offset);
            fields.Value("dma-high", ref _dmaHigh);
        }
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        // The selector is write-only and the data port one byte wide.
        if (offset != 1 || data.Length != 1) return BusStatus.BadOffset;
        lock (_lock) Take(data);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        // Items cannot be written; what goes to the data port is lost, as in current versions of the original.
        if (offset != 0 || data.Length != 2) return BusStatus.BadOffset;
        lock (_lock) Select(BinaryPrimitives.ReadUInt16LittleEndian(data));
        return BusStatus.Handled;
    }

    private void Select(ushort number)
    {
        _number = number;
        _offset = 0;
        _selected?.Invoke(number);
    }

    // The next bytes of the item; zeros behind its end.
    private void Take(Span<byte> data)
    {
        ReadOnlySpan<byte> content = Items[_number];
        ReadOnlySpan<byte> rest = _offset < (uint)content.Length ? content[(int)_offset..] : [];
        if (rest.Length > data.Length) rest = rest[..data.Length];
        rest.CopyTo(data);
        data[rest.Length..].Clear();
        Skip((uint)data.Length);
    }

    private void Skip(uint count) => _offset = count > uint.MaxValue - _offset ? uint.MaxValue : _offset + count;

    private void RunDma(ulong address)
    {
        Span<byte> command = stackalloc byte[CommandBytes];
        // A command that is nowhere has nowhere to be answered.
        if (!_memory.TryCopyOut(address, command)) return;
        uint control = BinaryPrimitives.ReadUInt32BigEndian(command);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(command[4..]);
        ulong target = BinaryPrimitives.ReadUInt64BigEndian(command[8..]);
        if ((control & DmaSelect) != 0) Select((ushort)(control >> 16));
        bool done = true;
        if ((control & DmaRead) != 0) done = CopyOut(target, length);
        else if ((control & DmaWrite) != 0) done = length == 0;
        else if ((control & DmaSkip) != 0) Skip(length);
        BinaryPrimitives.WriteUInt32BigEndian(command, done ? 0 : DmaError);
        _memory.TryCopyIn(address, command[..4]);
    }

    private bool CopyOut(ulong target, uint length)
    {
        // Checked first, so that no guest has us fill what is not there.
        if (length != 0 && !_memory.IsRam(target, length)) return false;
        while (length != 0)
        {
            Span<byte> part = _chunk.AsSpan(0, (int)Math.Min(length, ChunkBytes));
            Take(part);
            _memory.TryCopyIn(target, part);
            target += (ulong)part.Length;
            length -= (uint)part.Length;
        }
        return true;
    }

    /// <summary>The address of a command: its upper half first; the lower half begins it.</summary>
    private sealed class DmaRegister(FwCfg owner) : IBusDevice
    {
        public BusStatus Read(ulong offset, Span<byte> data)
        {
            for (int i = 0; i < data.Length; i++) data[i] = (byte)(DmaSignature >> (8 * (7 - (int)offset - i)));
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            if (data.Length != 4 || offset is not (0 or 4)) return BusStatus.BadWidth;
            uint value = BinaryPrimitives.ReadUInt32BigEndian(data);
            lock (owner._lock)
            {
                if (offset == 0) owner._dmaHigh = value;
                else
                {
                    ulong address = (ulong)owner._dmaHigh << 32 | value;
                    owner._dmaHigh = 0;
                    owner.RunDma(address);
                }
            }
            return BusStatus.Handled;
        }
    }
}
