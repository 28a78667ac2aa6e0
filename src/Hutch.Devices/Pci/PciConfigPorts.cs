using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;

namespace Hutch.Devices.Pci;

/// <summary>
/// Configuration mechanism #1 (PCI Local Bus 3.0 §3.2.2.3.2): CONFIG_ADDRESS at 0xcf8, taken only as a double word, and CONFIG_DATA at 0xcfc.
/// The byte at 0xcf9 inside it is the chipset's reset control register and goes to <see cref="PciBus.ResetControl"/>.
/// </summary>
internal sealed class PciConfigPorts : IBusDevice
{
    internal const ushort FirstPort = 0xcf8;
    internal const int PortCount = 8;

    private readonly PciBus _bus;
    private uint _address;

    internal PciConfigPorts(PciBus bus) => _bus = bus;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        if (offset == 0 && data.Length == 4)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(data, Volatile.Read(ref _address));
            return BusStatus.Handled;
        }
        if (offset == 1 && data.Length == 1) return _bus.ResetControl?.Read(0, data) ?? BusStatus.BadOffset;
        if (!Decode(offset, data.Length, out int bus, out int device, out int function, out int register)) return BusStatus.BadOffset;
        _bus.ReadConfig(bus, device, function, register, data);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset == 0 && data.Length == 4)
        {
            Volatile.Write(ref _address, BinaryPrimitives.ReadUInt32LittleEndian(data) & 0x80ff_fffc);
            return BusStatus.Handled;
        }
        if (offset == 1 && data.Length == 1) return _bus.ResetControl?.Write(0, data) ?? BusStatus.BadOffset;
        if (!Decode(offset, data.Length, out int bus, out int device, out int function, out int register)) return BusStatus.BadOffset;
        _bus.WriteConfig(bus, device, function, register, data);
        return BusStatus.Handled;
    }

    internal void Exchange(StateFields fields)
    {
        uint address = Volatile.Read(ref _address);
        fields.Value("address", ref address);
        Volatile.Write(ref _address, address & 0x80ff_fffc);
    }

    internal void Reset() => Volatile.Write(ref _address, 0);

    private bool Decode(ulong offset, int length, out int bus, out int device, out int function, out int register)
    {
        uint address = Volatile.Read(ref _address);
        bus = (int)(address >> 16) & 0xff;
        device = (int)(address >> 11) & 0x1f;
        function = (int)(address >> 8) & 7;
        register = (int)(address & 0xfc) + (int)(offset & 3);
        return offset is >= 4 and < 8 && (int)offset + length <= 8 && (address & 0x8000_0000) != 0;
    }
}
