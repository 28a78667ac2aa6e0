using System;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;

namespace Hutch.Devices.Chipset;

/// <summary>The chipset as one device: it owns the parts, starts, stops and resets them together, and answers the vCPUs' interrupt cycles.</summary>
internal sealed class Platform : IDevice, IInterruptControllers
{
    private const int KeyboardGsi = 1, MouseGsi = 12, TimerGsi = 0, RtcGsi = 8;

    private readonly Pic _pic;
    private readonly Ioapic _ioapic;
    private readonly Pit _pit;
    private readonly CmosRtc _rtc;
    private readonly PmBlock _pm;
    private readonly ResetControl _resetControl;
    private readonly IStateUnit[] _units;
    private readonly Piix3Bridge? _bridge;
    private readonly Piix4Power? _power;

    /// <summary>Creates the parts and puts them on the buses of <paramref name="services"/>.</summary>
    public Platform(PlatformConfig config, MachineServices services)
    {
        Name = config.Id;
        MachineKind machine = config.Machine;
        IPlatformEvents events = services.Platform;
        _pic = new Pic(services.Interrupts);
        _ioapic = new Ioapic(services.Interrupts, services.Timers);
        Gsi = new GsiController(_pic, _ioapic, routesReachIoapic: machine == MachineKind.Pc);
        LegacyTimerLines legacy = new(new InterruptLine(Gsi, TimerGsi), new InterruptLine(Gsi, RtcGsi));
        _pit = new Pit(services.Timers, new InterruptLine(legacy, LegacyTimerLines.Pit));
        _rtc = new CmosRtc(services.Timers, new InterruptLine(legacy, LegacyTimerLines.Rtc), services.Memory.LowBytes, services.Memory.BootHighBytes);
        _pm = new PmBlock(services.Timers, new InterruptLine(Gsi, PmBlock.SciGsi), events);
        A20Gate a20 = new();
        Keyboard = new I8042(a20, new InterruptLine(Gsi, KeyboardGsi), events, new InterruptLine(Gsi, MouseGsi));
        _resetControl = new ResetControl(events);

        _pic.MapOn(services.Ports);
        _pit.MapOn(services.Ports);
        _rtc.MapOn(services.Ports);
        _pm.MapOn(services.Ports);
        Keyboard.MapOn(services.Ports);
        new SystemControlPort(a20, events).MapOn(services.Ports);
        Pci = new PciBus(services, machine) { ResetControl = _resetControl };
        if (machine == MachineKind.Pc)
        {
            _bridge = new Piix3Bridge(Pci, Gsi);
            _power = new Piix4Power(Pci, _pm);
        }
        PciHotplug hotplug = new(Pci, _pm, events);
        hotplug.MapOn(services.Ports);
        Hotplug = hotplug;
        CpuHotplug cpus = new(services.Cpus.VcpuCount, services.AbsentVcpus, _pm, events);
        cpus.MapOn(services.Ports);
        Cpus = cpus;
        services.Mmio.Map("ioapic", Ioapic.BaseAddress, Ioapic.LengthBytes, _ioapic);
        IStateUnit[] timers = [_pit, _rtc];
        if (config.Hpet)
        {
            Hpet hpet = new(services.Timers, Gsi, legacy);
            services.Mmio.Map("hpet", Hpet.BaseAddress, Hpet.LengthBytes, hpet);
            timers = [.. timers, hpet];
        }
        // Devices lower their wires when they reset, so the controllers come last.
        _units = [.. timers, hotplug, cpus, _pm, Keyboard, _ioapic, _pic];
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>The global system interrupts.</summary>
    public GsiController Gsi { get; }

    /// <summary>PCI bus 0.</summary>
    public PciBus Pci { get; }

    /// <summary>Plugging of PCI devices while the guest runs.</summary>
    public IHotplug Hotplug { get; }

    /// <summary>Plugging of vCPUs while the guest runs.</summary>
    public ICpuHotplug Cpus { get; }

    /// <summary>ACPI fixed hardware.</summary>
    public PmBlock Pm => _pm;

    /// <summary>The keyboard controller.</summary>
    public I8042 Keyboard { get; }

    /// <inheritdoc cref="PmBlock.PressPowerButton"/>
    public void PressPowerButton() => _pm.PressPowerButton();

    /// <inheritdoc/>
    public void EndOfInterrupt(byte vector) => _ioapic.EndOfInterrupt(vector);

    /// <inheritdoc/>
    public int AcknowledgeExternalInterrupt() => _pic.Acknowledge();

    /// <inheritdoc/>
    public void Start()
    {
        foreach (IStateUnit unit in _units) unit.Start();
    }

    /// <inheritdoc/>
    public void Stop()
    {
        foreach (IStateUnit unit in _units) unit.Stop();
    }

    /// <inheritdoc/>
    public void Reset()
    {
        Pci.Reset();
        foreach (IStateUnit unit in _units) unit.Reset();
        _resetControl.Reset();
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", Pci.Exchange);
        if (_bridge is not null) fields.Group("isa-bridge", group => Pci.Exchange(_bridge, group));
        if (_power is not null) fields.Group("power-management", group => Pci.Exchange(_power, group));
        foreach (IStateUnit unit in _units)
            if (unit is not CpuHotplug || fields.Has(unit.Name)) fields.Group(unit.Name, unit.Exchange);
        _resetControl.Exchange(fields);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IStateUnit unit in _units) (unit as IDisposable)?.Dispose();
    }
}
