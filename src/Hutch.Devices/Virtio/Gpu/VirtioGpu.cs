using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Model.Machine;
using static Hutch.Devices.Virtio.Gpu.VirtioGpuRegisters;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>
/// The GPU device in 2D mode with one scanout (virtio 1.2 §5.7): the driver draws in guest memory, has parts copied into resources of the host's, and says which of them is shown. There is
/// no VGA: what runs before a driver sees no display.
/// </summary>
internal sealed class VirtioGpu : VirtioDevice
{
    // A driver's list of a large picture's pages lies in many buffers.
    private const int ControlEntries = 256, CursorEntries = 16;

    private readonly GpuCommands _commands;
    private uint _events;

    internal VirtioGpu(VirtioGpuConfig config, MachineServices services) : base(config.Id, VirtioGpuRegisters.DeviceType, services.Memory, ControlEntries, CursorEntries)
    {
        Display = new GpuDisplay(config.Id, services.Memory, config.Width, config.Height, TellOfSize);
        _commands = new GpuCommands(Display);
    }

    /// <summary>What it shows.</summary>
    internal GpuDisplay Display { get; }

    /// <inheritdoc/>
    internal override uint PciClass => 0x038000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => FeatureEdid;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[ConfigBytes];
        config.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(config[EventsRead..], Volatile.Read(ref _events));
        BinaryPrimitives.WriteUInt32LittleEndian(config[ScanoutCount..], 1);
        CopyConfig(config, offset, data);
    }

    /// <inheritdoc/>
    internal override void WriteConfig(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset == EventsClear && data.Length == sizeof(uint)) Interlocked.And(ref _events, ~BinaryPrimitives.ReadUInt32LittleEndian(data));
    }

    /// <inheritdoc/>
    internal override void Start()
    {
        base.Start();
        Display.SetRunning(true);
    }

    /// <inheritdoc/>
    internal override void Stop()
    {
        Display.SetRunning(false);
        base.Stop();
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        Serve(CursorQueue);
        Serve(ControlQueue);
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        Volatile.Write(ref _events, 0);
        Display.Reset(machineReset);
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        fields.Value("events", ref _events);
        fields.Require((_events & ~EventDisplay) == 0, "events");
        Display.Exchange(fields);
    }

    /// <inheritdoc/>
    private protected override void DisposeBackend() => Display.Reset(machineReset: true);

    // The driver asks for the size and the EDID again (§5.7.4.2).
    private void TellOfSize()
    {
        Interlocked.Or(ref _events, EventDisplay);
        if (IsDriverOk) Transport.InterruptConfig();
    }

    private void Serve(int number)
    {
        VirtQueue queue = Queues[number];
        do
        {
            queue.DisableNotifications();
            while (!ShouldYield && TryPop(queue)) queue.PushUsed(Chain.Head, _commands.Execute(Chain, number == CursorQueue, (Features & FeatureEdid) != 0));
            InterruptIfWanted(number);
        }
        while (!ShouldYield && queue.EnableNotifications());
    }
}
