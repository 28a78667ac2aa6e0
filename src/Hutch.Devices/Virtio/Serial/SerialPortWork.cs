using System;
using Hutch.Devices.Virtio.Queue;

namespace Hutch.Devices.Virtio.Serial;

/// <summary>What the ports of a device share of its worker.</summary>
/// <param name="tryPop">Pops into <paramref name="chain"/>.</param>
/// <param name="chain">The chain that was popped last.</param>
/// <param name="shouldYield">The work should return soon.</param>
internal sealed class SerialPortWork(Func<VirtQueue, bool> tryPop, DescriptorChain chain, Func<bool> shouldYield)
{
    private const int ScratchBytes = 16 << 10;

    /// <summary>The chain that was popped last.</summary>
    internal DescriptorChain Chain => chain;

    /// <summary>Bytes on their way.</summary>
    internal byte[] Scratch { get; } = new byte[ScratchBytes];

    /// <summary>The work should return soon.</summary>
    internal bool ShouldYield => shouldYield();

    /// <summary>Pops the queue's next chain.</summary>
    internal bool TryPop(VirtQueue queue) => tryPop(queue);
}
