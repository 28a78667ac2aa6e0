using Hutch.Block.Files;
using Hutch.Block.Graph;

namespace Hutch.Block.Opening;

/// <summary>How files below are opened; nodes above hand it down.</summary>
internal sealed record FileOptions
{
    /// <summary>Takes what the request says.</summary>
    internal FileOptions(BlockOpenRequest request) =>
        (Cache, Aio, ContinuesInline, ForceShare, Unmap) = (request.Cache, request.Aio, request.ContinuesInline, request.ForceShare, request.Unmap);

    /// <summary>Page cache and durability.</summary>
    internal CacheMode Cache { get; init; }

    /// <summary>How requests are given to the kernel.</summary>
    internal AioMode Aio { get; init; }

    /// <summary>See <see cref="BlockOpenRequest.ContinuesInline"/>.</summary>
    internal bool ContinuesInline { get; init; }

    /// <summary>The file may be in use by a writer.</summary>
    internal bool ForceShare { get; init; }

    /// <summary>Discards reach the storage.</summary>
    internal bool Unmap { get; init; }

    /// <summary>Other processes are kept out.</summary>
    internal bool Lock { get; init; } = true;

    /// <summary>The same for a file.</summary>
    internal FileOpenOptions ToOpenOptions(bool readOnly) => new()
    {
        ReadOnly = readOnly,
        ForceShare = readOnly && ForceShare,
        Cache = Cache,
        Aio = Aio,
        ContinuesInline = ContinuesInline,
        Unmap = Unmap,
    };
}
