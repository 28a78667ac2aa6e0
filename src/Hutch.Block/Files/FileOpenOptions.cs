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

    /// <summary>See <see cref="BlockOpenRequest.ContinuesInline"/>.</summary>
    internal bool ContinuesInline { get; init; }
}
