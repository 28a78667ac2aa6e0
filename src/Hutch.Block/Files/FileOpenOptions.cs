using Hutch.Block.Graph;

namespace Hutch.Block.Files;

/// <summary>How a host file is opened.</summary>
internal sealed record FileOpenOptions
{
    /// <summary>Nothing is written.</summary>
    internal bool ReadOnly { get; init; }

    /// <summary>A writer may have the file open: see <see cref="ImageLockMode.Observer"/>. With <see cref="ReadOnly"/> only.</summary>
    internal bool ForceShare { get; init; }

    /// <summary>Page cache and durability.</summary>
    internal CacheMode Cache { get; init; } = CacheMode.Writeback;

    /// <summary>How requests that have to wait are given to the kernel.</summary>
    internal AioMode Aio { get; init; } = AioMode.Auto;

    /// <summary>Discards reach the storage; otherwise they do nothing.</summary>
    internal bool Unmap { get; init; } = true;

    /// <summary>
    /// What awaits a request goes on on the engine's thread, without a hop, and must never block there: for a machine's devices. Otherwise it goes on on the
    /// thread pool.
    /// </summary>
    internal bool ContinuesInline { get; init; }
}
