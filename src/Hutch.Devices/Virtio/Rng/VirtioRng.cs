using System;
using Hutch.Core.Memory;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Files;

namespace Hutch.Devices.Virtio.Rng;

/// <summary>The entropy device (virtio 1.2 §5.4): fills what the driver offers from the host's generator.</summary>
internal sealed class VirtioRng : VirtioDevice
{
    private const ushort EntropyType = 4;
    private const int QueueEntries = 64;

    // One request gets no more than this, so that a guest cannot make the host generate gigabytes for one notification (§5.4.6.1
    // lets the device return fewer bytes than the buffer holds).
    private const int MaxRequestBytes = 64 * 1024;

    private readonly byte[] _random = new byte[4096];

    internal VirtioRng(string name, GuestMemory memory) : base(name, EntropyType, memory, QueueEntries) { }

    /// <inheritdoc/>
    internal override uint PciClass => 0x00ff00;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => 0;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data) => data.Clear();

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        VirtQueue queue = Queues[0];
        do
        {
            queue.DisableNotifications();
            while (!ShouldYield && TryPop(queue)) queue.PushUsed(Chain.Head, Fill());
            InterruptIfWanted(0);
        }
        while (!ShouldYield && queue.EnableNotifications());
    }

    private uint Fill()
    {
        int total = (int)Math.Min(Chain.WritableBytes, MaxRequestBytes);
        for (int done = 0; done < total;)
        {
            Span<byte> part = _random.AsSpan(0, Math.Min(_random.Length, total - done));
            HostRandom.Fill(part);
            _ = Chain.TryWrite(done, part);
            done += part.Length;
        }
        return (uint)total;
    }
}
