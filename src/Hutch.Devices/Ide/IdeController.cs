using System;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Interrupts;
using Hutch.Core.State;
using Hutch.Devices.Ata;
using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;
using Hutch.Devices.Virtio.Queue;

namespace Hutch.Devices.Ide;

/// <summary>
/// Function 00:01.1: the IDE controller of a PIIX3 (Intel 82371SB data sheet §2.3, §3.3): two channels at their ports of old, and bus masters in BAR 4. The timing registers
/// keep what is written and have no effect; a channel answers whether they enable it or not. Registers are served under one lock; a worker executes the commands of both channels.
/// Locks, outermost first: the bus's configuration lock, then this one.
/// </summary>
internal sealed class IdeController : PciFunction, IBusDevice, IDevice
{
    internal const int Function = 1;

    private const int MasterBar = 4, MasterBarBytes = 16, Timing = 0x40, TimingBytes = 5;
    private const ushort DecodeEnable = 0x8000;

    // Ports of the command and the control block, and the ISA interrupt, of each channel (§3.3).
    private static readonly (ushort Command, ushort Control, int Irq)[] Places = [(0x1f0, 0x3f6, 14), (0x170, 0x376, 15)];

    private readonly PciBus _bus;
    private readonly DriveFailures _reports;
    private readonly IdeChannel[] _channels = new IdeChannel[2];
    private readonly QueueWorker _worker;
    private readonly AtaCompletions<IdeRequest> _completions;

    /// <summary>Makes the controller. Owns the drives.</summary>
    /// <param name="name">Device name.</param>
    /// <param name="services">The machine.</param>
    /// <param name="drives">What is plugged in: the first channel's two devices, then the second one's.</param>
    internal IdeController(string name, MachineServices services, AtaDrive?[] drives)
        : base(name, new PciIdentity(0x8086, 0x7010, 0x010180, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _bus = services.Pci!;
        _reports = new DriveFailures(services.Platform);
        _worker = new QueueWorker(name, Serve);
        _completions = new AtaCompletions<IdeRequest>(_worker, static request => request.Channel.Continue());
        for (int i = 0; i < _channels.Length; i++)
        {
            (ushort command, ushort control, int irq) = Places[i];
            IdeChannel channel = new(this, services.Memory, new InterruptLine(services.Gsi, irq), drives[(2 * i)..(2 * i + 2)]);
            services.Ports.Map($"{name} channel {i}", command, IdeRegisters.CommandPorts, channel);
            services.Ports.Map($"{name} control {i}", control, 1, channel.Control);
            _channels[i] = channel;
        }
        AddBar(MasterBar, PciBarKind.Io, MasterBarBytes, this);
        for (int i = 0; i < TimingBytes; i++) MakeWritable(Timing + i, 0xff);
        _bus.AddAt(this, Piix3Bridge.ChipsetSlot, Function);
        foreach (IdeChannel channel in _channels) channel.Reset();
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
        lock (Lock)
            foreach (IdeChannel channel in _channels)
            {
                channel.Reset();
                channel.ResetDrives(0b11);
            }
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", group => _bus.Exchange(this, group));
        lock (Lock)
            for (int i = 0; i < _channels.Length; i++) fields.Group($"channel{i}", _channels[i].Exchange);
        if (fields.IsRestoring) _worker.Signal();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _worker.Dispose();
        Drain();
        foreach (IdeChannel channel in _channels) channel.Dispose();
    }

    /// <summary>Reads the bus masters' registers.</summary>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (Lock)
            for (int i = 0; i < data.Length; i++)
            {
                int register = (int)offset + i;
                data[i] = _channels[register / IdeRegisters.MasterPorts].Master.Read(register % IdeRegisters.MasterPorts);
            }
        return BusStatus.Handled;
    }

    /// <summary>Writes them.</summary>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        lock (Lock)
            for (int i = 0; i < data.Length; i++)
            {
                int register = (int)offset + i;
                _channels[register / IdeRegisters.MasterPorts].WriteMaster(register % IdeRegisters.MasterPorts, data[i]);
            }
        return BusStatus.Handled;
    }

    /// <summary>An operation of a command completed. Any thread.</summary>
    internal void Completed(IdeRequest request) => _completions.Add(request);

    /// <summary>There is work. Any thread.</summary>
    internal void Signal() => _worker.Signal();

    /// <inheritdoc cref="DriveFailures.Report"/>
    internal void Report(string drive, Exception failure) => _reports.Report(drive, failure);

    /// <inheritdoc/>
    internal override void TakeResources()
    {
        base.TakeResources();
        // As firmware does; drivers look at it.
        Put16(Timing, DecodeEnable);
        Put16(Timing + 2, DecodeEnable);
    }

    private void Serve()
    {
        bool any;
        do
        {
            any = _completions.Take();
            foreach (IdeChannel channel in _channels) any |= channel.Serve();
        }
        while (any && !_worker.ShouldYield);
    }

    // Waits for what is in flight and answers it. The worker is quiet.
    private void Drain() => _completions.Drain(() => Array.Exists(_channels, static channel => channel.InFlight));
}
