using Hutch.Block.Graph;

namespace Hutch.Cli.Image.Io;

/// <summary>How an image is opened.</summary>
internal sealed record IoOpening
{
    internal bool IsReadOnly { get; set; }

    internal bool IsTemporary { get; set; }

    internal bool CopiesOnRead { get; set; }

    internal bool Unmap { get; set; } = true;

    internal CacheMode Cache { get; set; } = CacheMode.Writeback;

    internal AioMode Aio { get; set; } = AioMode.Auto;
}
