using System;
using System.Buffers.Binary;
using System.Numerics;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Ata;
using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;
using Hutch.Devices.Virtio.Queue;
using Hutch.Model.Machine;
using static Hutch.Devices.Ahci.AhciRegisters;

namespace Hutch.Devices.Ahci;

/// <summary>
/// The SATA controller of an ICH9 in AHCI mode (Intel ICH9 data sheet §15; AHCI 1.3.1). Registers are served under one lock; a worker executes the commands of all
/// ports and keeps as many in flight as they are queued. Locks, outermost first: the bus's configuration lock, then this one.
/// </summary>
internal sealed class AhciController : PciFunction, IBusDevice, IWordRegisters, IDevice
{
    private const int RegisterBar = 5, Function = 2;

    private readonly PciBus _bus;
    private readonly DriveFailures _reports;
    private readonly AhciPort[] _ports = new AhciPort[AhciConfig.PortCount];
    private readonly QueueWorker _worker;
    private readonly AtaCompletions<SataRequest> _completions;
    private uint _globalControl, _interruptStatus;
    private int _resets;

    /// <summary>Makes the controller. Owns the drives.</summary>
    /// <param name="name">Device name.</param>
    /// <param name="services">The machine.</param>
    /// <param name="drives">What is plugged into each port.</param>
    internal AhciController(string name, MachineServices services, AtaDrive?[] drives)
        : base(name, new PciIdentity(0x8086, 0x2922, 0x010601, Revision: 2, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _bus = services.Pci ?? throw new ConfigException($"Device \"{name}\" needs a PCI bus; list the platform before it.");
        _reports = new DriveFailures(services.Platform);
        _worker = new QueueWorker(name, Serve);
        _completions = new AtaCompletions<SataRequest>(_worker, static request => request.Port.Continue(request));
        for (int i = 0; i < _ports.Length; i++) _ports[i] = new AhciPort(this, services.Memory, i, drives[i]);
        AddBar(RegisterBar, PciBarKind.Memory32, BarBytes, this);
        UseInterruptPin();
        // A machine with the chipset's other functions has it where that chipset does.
        if (_bus.Has(LpcBridge.ChipsetSlot, 0)) _bus.AddAt(this, LpcBridge.ChipsetSlot, Function);
        else _ = _bus.Add(this);
        ResetController(machineReset: true);
    }

    /// <summary>Guards the registers.</summary>
    internal Lock Lock { get; } = new();

    /// <summary>The worker should pause.</summary>
    internal bool ShouldYield => _worker.ShouldYield;

    /// <inheritdoc/>
    string IStateUnit.Name => Name;

    /// <inheritdoc/>
    public void Start() => _worker.Start();

    /// <inheritdoc/>
    public void Stop()
    {
        _worker.Stop();
        Drain();
    }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (Lock) ResetController(machineReset: true);
        CarryOutResets();
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", group => _bus.Exchange(this, group));
        lock (Lock)
        {
            fields.Value("global-control", ref _globalControl);
            fields.Value("interrupt-status", ref _interruptStatus);
            foreach (AhciPort port in _ports) fields.Group($"port{port.Number}", port.Exchange);
            UpdateInterrupt();
        }
        if (fields.IsRestoring) _worker.Signal();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _worker.Dispose();
        Drain();
        foreach (AhciPort port in _ports) port.Drive?.Dispose();
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        // A part of a register, or two at once, may be read (AHCI 1.3.1 §3).
        lock (Lock) return WordRegisters.Read(this, offset, data);
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (data.Length is not (4 or 8) || offset % 4 != 0) return BusStatus.BadWidth;
        bool work = false;
        lock (Lock)
        {
            for (int done = 0; done < data.Length; done += 4)
                work |= WriteRegister((int)offset + done, BinaryPrimitives.ReadUInt32LittleEndian(data[done..]));
            UpdateInterrupt();
            work |= _resets != 0;
        }
        if (work) _worker.Signal();
        return BusStatus.Handled;
    }

    /// <summary>An operation of a command completed. Any thread.</summary>
    internal void Completed(SataRequest request) => _completions.Add(request);

    /// <summary>A port's device was reset: the worker, which alone talks to drives, has it do so before the next command. Under the lock.</summary>
    internal void ResetLater(AhciPort port) => _resets |= 1 << port.Number;

    /// <summary>Drives the interrupt line as the registers say. Under the lock.</summary>
    internal void UpdateInterrupt()
    {
        foreach (AhciPort port in _ports)
            if (port.Interrupts) _interruptStatus |= 1u << port.Number;
        SetInterrupt((_globalControl & GlobalInterruptEnable) != 0 && _interruptStatus != 0);
    }

    /// <inheritdoc cref="DriveFailures.Report"/>
    internal void Report(string drive, Exception failure) => _reports.Report(drive, failure);

    /// <inheritdoc/>
    public uint ReadRegister(int register)
    {
        if (register >= PortStart)
        {
            int port = (register - PortStart) / PortBytes;
            return port < _ports.Length ? _ports[port].Read((register - PortStart) % PortBytes) : 0;
        }
        return register switch
        {
            Capabilities => CapabilityBits | (AhciConfig.PortCount - 1),
            GlobalControl => _globalControl | AhciEnable,
            InterruptStatus => _interruptStatus,
            PortsImplemented => (1u << AhciConfig.PortCount) - 1,
            AhciRegisters.Version => Version131,
            _ => 0,
        };
    }

    private bool WriteRegister(int register, uint value)
    {
        if (register >= PortStart)
        {
            int port = (register - PortStart) / PortBytes;
            return port < _ports.Length && _ports[port].Write((register - PortStart) % PortBytes, value);
        }
        switch (register)
        {
            case GlobalControl when (value & GlobalReset) != 0: ResetController(machineReset: false); break;
            case GlobalControl: _globalControl = value & GlobalInterruptEnable; break;
            case InterruptStatus: _interruptStatus &= ~value; break;
        }
        return false;
    }

    private void ResetController(bool machineReset)
    {
        _globalControl = _interruptStatus = 0;
        foreach (AhciPort port in _ports) port.Reset(machineReset);
        UpdateInterrupt();
    }

    private void Serve()
    {
        bool any;
        do
        {
            CarryOutResets();
            any = _completions.Take();
            foreach (AhciPort port in _ports) any |= port.Issue();
        }
        while (any && !_worker.ShouldYield);
    }

    private void CarryOutResets()
    {
        int resets;
        lock (Lock) (resets, _resets) = (_resets, 0);
        for (; resets != 0; resets &= resets - 1) _ports[BitOperations.TrailingZeroCount(resets)].Drive?.Reset();
    }

    // Waits for what is in flight and answers it. The worker is quiet.
    private void Drain() => _completions.Drain(() => Array.Exists(_ports, static port => port.InFlight != 0));
}
