using System;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;

namespace Hutch.Devices.Alarms;

/// <summary>
/// pvpanic as a PCI function (QEMU docs/specs/pvpanic): one byte, which says by its bits what the machine understands, and takes from the guest what has happened to it.
/// </summary>
internal sealed class Pvpanic : PciFunction, IBusDevice, IDevice
{
    // The shortest range that a BAR can have; the device has its first byte.
    private const int BarBytes = 16;
    private const byte Panicked = 1, CrashKernelTakesOver = 2;

    private readonly IPlatformEvents _platform;
    private readonly PciBus _bus;
    private readonly AlarmAction _action;

    internal Pvpanic(PvpanicConfig config, MachineServices services)
        : base(config.Id, new PciIdentity(0x1b36, 0x0011, 0x088000, Revision: 1, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _platform = services.Platform;
        _bus = services.Pci ?? throw new ConfigException($"Device \"{config.Id}\" needs a PCI bus; list the platform before it.");
        _action = config.Action;
        AddBar(0, PciBarKind.Memory32, BarBytes, this);
        _ = _bus.Add(this);
    }

    /// <inheritdoc/>
    string IStateUnit.Name => Name;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        data.Clear();
        if (offset == 0) data[0] = Panicked | CrashKernelTakesOver;
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset != 0) return BusStatus.Handled;
        if ((data[0] & Panicked) != 0) _platform.Alarm($"The guest's kernel panicked ('{Name}')", _action);
        // Another kernel of the guest looks after it.
        else if ((data[0] & CrashKernelTakesOver) != 0) _platform.Alarm($"The guest's kernel panicked ('{Name}') and its crash kernel takes over", AlarmAction.None);
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset() => _bus.ResetFunction(this);

    /// <inheritdoc/>
    public void Exchange(StateFields fields) => fields.Group("pci", group => _bus.Exchange(this, group));

    /// <inheritdoc/>
    public void Dispose() { }
}
