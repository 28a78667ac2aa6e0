using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using static Hutch.Devices.Virtio.Balloon.VirtioBalloonRegisters;

namespace Hutch.Devices.Virtio.Balloon;

/// <summary>
/// The memory balloon (virtio 1.2 §5.5): the guest gives pages up, which go back to the host, and takes them back. It says how its memory is used, and reports
/// pages that are free, which go back without being asked for.
/// </summary>
internal sealed class VirtioBalloon : VirtioDevice, IBalloon
{
    private const int QueueEntries = 128;

    private readonly BalloonPages _pages;
    private readonly BalloonStatistics _statistics;
    private readonly ulong _features;
    private uint _wanted, _actual;

    // The driver's buffer for statistics stays here until newer ones are wanted.
    private ushort _statisticsHead;
    private bool _holdsStatistics;
    private volatile bool _wantsStatistics;

    internal VirtioBalloon(VirtioBalloonConfig config, MachineServices services)
        : base(config.Id, VirtioBalloonRegisters.DeviceType, services.Memory, QueueEntries, QueueEntries, QueueEntries, QueueEntries)
    {
        _pages = new BalloonPages(services.Memory);
        _statistics = new BalloonStatistics(services.Timers.Clock);
        _features = FeatureStatistics | (config.DeflateOnOom ? FeatureDeflateOnOom : 0) | (config.FreePageReporting ? FeatureReporting : 0);
    }

    /// <inheritdoc/>
    internal override uint PciClass => 0x00ff00;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => _features;

    /// <inheritdoc/>
    public bool HasDriver => IsDriverOk;

    private int ReportingPlace => (Features & FeatureReporting) == 0 ? -1 : (Features & FeatureStatistics) != 0 ? ReportingQueue : StatisticsQueue;

    /// <inheritdoc/>
    public BalloonInfo Look()
    {
        _wantsStatistics = true;
        Kick(StatisticsQueue);
        (System.Collections.Immutable.ImmutableArray<BalloonStatistic> values, double age) = _statistics.Look();
        return new BalloonInfo((ulong)Volatile.Read(ref _wanted) * PageBytes, (ulong)Volatile.Read(ref _actual) * PageBytes, values, age);
    }

    /// <inheritdoc/>
    public void SetTarget(ulong bytes)
    {
        uint pages = (uint)Math.Min(bytes / PageBytes, uint.MaxValue);
        if (Interlocked.Exchange(ref _wanted, pages) != pages && IsDriverOk) Transport.InterruptConfig();
    }

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[ConfigBytes];
        config.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(config[WantedPages..], Volatile.Read(ref _wanted));
        BinaryPrimitives.WriteUInt32LittleEndian(config[ActualPages..], Volatile.Read(ref _actual));
        CopyConfig(config, offset, data);
    }

    /// <inheritdoc/>
    internal override void WriteConfig(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset == ActualPages && data.Length == sizeof(uint)) Volatile.Write(ref _actual, BinaryPrimitives.ReadUInt32LittleEndian(data));
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        Serve(InflateQueue, static (balloon, chain) => balloon._pages.Release(chain));
        Serve(DeflateQueue, static (_, _) => { });
        if (ReportingPlace is var reporting and >= 0) Serve(reporting, static (_, chain) => chain.ReleaseWritable());
        if ((Features & FeatureStatistics) != 0) ServeStatistics();
    }

    /// <inheritdoc/>
    private protected override void Drain()
    {
        // The driver gets its buffer back and sends newer numbers when the machine goes on; a saved state has none in flight.
        if (_holdsStatistics) ReturnStatistics();
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        _holdsStatistics = false;
        Volatile.Write(ref _actual, 0);
        _statistics.Clear();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        fields.Value("wanted", ref _wanted);
        fields.Value("actual", ref _actual);
    }

    private void Serve(int number, Action<VirtioBalloon, DescriptorChain> work)
    {
        VirtQueue queue = Queues[number];
        do
        {
            queue.DisableNotifications();
            while (!ShouldYield && TryPop(queue))
            {
                work(this, Chain);
                queue.PushUsed(Chain.Head, 0);
            }
            InterruptIfWanted(number);
        }
        while (!ShouldYield && queue.EnableNotifications());
    }

    private void ServeStatistics()
    {
        VirtQueue queue = Queues[StatisticsQueue];
        while (!ShouldYield)
        {
            if (_holdsStatistics && !_wantsStatistics) break;
            if (_holdsStatistics) ReturnStatistics();
            queue.DisableNotifications();
            if (!TryPop(queue))
            {
                if (!queue.EnableNotifications()) break;
                continue;
            }
            _statistics.Read(Chain);
            (_statisticsHead, _holdsStatistics) = (Chain.Head, true);
        }
    }

    private void ReturnStatistics()
    {
        (_holdsStatistics, _wantsStatistics) = (false, false);
        Queues[StatisticsQueue].PushUsed(_statisticsHead, 0);
        InterruptIfWanted(StatisticsQueue);
    }
}
