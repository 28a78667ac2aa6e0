using System;
using System.Numerics;
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
    private readonly object _gate = new();
    private int _completed;
    private bool _started;

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
        for (int i = 0; i < _channels.Length; i++)
        {
            int bit = 1 << i;
            (ushort command, ushort control, int irq) = Places[i];
            IdeChannel channel = new(this, services.Memory, new InterruptLine(services.Gsi, irq), drives[(2 * i)..(2 * i + 2)], () => Completed(bit));
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
    public void Start()
    {
        if (!_started) _worker.Resume();
        _started = true;
    }

    /// <inheritdoc/>
    public void Stop()
    {
        if (_started) _worker.Pause();
        _started = false;
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

    private void Completed(int channel)
    {
        lock (_gate)
        {
            _completed |= channel;
            Monitor.PulseAll(_gate);
        }
        _worker.Signal();
    }

    private void Serve()
    {
        bool any;
        do
        {
            any = TakeCompleted();
            foreach (IdeChannel channel in _channels) any |= channel.Serve();
        }
        while (any && !_worker.ShouldYield);
    }

    private bool TakeCompleted()
    {
        int completed;
        lock (_gate) (completed, _completed) = (_completed, 0);
        for (int left = completed; left != 0; left &= left - 1) _channels[BitOperations.TrailingZeroCount(left)].Continue();
        return completed != 0;
    }

    // Waits for what is in flight and answers it. The worker is quiet.
    private void Drain()
    {
        while (true)
        {
            _ = TakeCompleted();
            if (!Array.Exists(_channels, static channel => channel.InFlight)) return;
            lock (_gate)
                while (_completed == 0) Monitor.Wait(_gate);
        }
    }
}
