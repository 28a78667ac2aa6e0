namespace Hutch.Block.Graph;

/// <summary>How writes reach storage, and whether the host's page cache is used.</summary>
public enum CacheMode
{
    /// <summary>Page cache; a completed flush is durable.</summary>
    Writeback,

    /// <summary>No page cache (O_DIRECT); a completed flush is durable.</summary>
    None,

    /// <summary>Page cache; every completed write is durable.</summary>
    Writethrough,

    /// <summary>No page cache; every completed write is durable.</summary>
    DirectSync,

    /// <summary>Page cache; flushes do nothing. A crash of the host loses the image.</summary>
    Unsafe,
}

/// <summary>How requests are given to the kernel.</summary>
public enum AioMode
{
    /// <summary>io_uring where the kernel has it, else threads.</summary>
    Auto,

    /// <summary>Positioned system calls on a pool of threads.</summary>
    Threads,

    /// <summary>io_uring, or a refusal.</summary>
    IoUring,
}
