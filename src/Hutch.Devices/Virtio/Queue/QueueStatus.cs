namespace Hutch.Devices.Virtio.Queue;

/// <summary>What <see cref="VirtQueue.TryPop"/> found.</summary>
internal enum QueueStatus
{
    /// <summary>Nothing is available.</summary>
    Empty,

    /// <summary>A chain was taken.</summary>
    Popped,

    /// <summary>The driver broke the rules; <see cref="VirtQueue.Fault"/> says which. The device needs a reset.</summary>
    Broken,
}

/// <summary>How a driver can break a queue.</summary>
internal enum QueueFault
{
    /// <summary>Nothing is wrong.</summary>
    None,

    /// <summary>The queue size is zero, not a power of two or above the maximum.</summary>
    BadSize,

    /// <summary>A ring is misaligned or not in RAM.</summary>
    BadRingAddress,

    /// <summary>The available index ran ahead by more than the queue size.</summary>
    AvailableJump,

    /// <summary>A head or next index lies outside its table.</summary>
    BadIndex,

    /// <summary>A chain has more descriptors than the queue: a loop, or too long.</summary>
    ChainTooLong,

    /// <summary>A buffer of zero length, or more than 4 GiB in one chain.</summary>
    BadLength,

    /// <summary>A buffer or an indirect table that is not all RAM.</summary>
    NotRam,

    /// <summary>An indirect table that was not negotiated, is nested, is chained on, or has a bad length.</summary>
    BadIndirect,

    /// <summary>A device-readable buffer after a device-writable one.</summary>
    ReadableAfterWritable,
}
