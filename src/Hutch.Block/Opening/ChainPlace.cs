using Hutch.Block.Formats;

namespace Hutch.Block.Opening;

/// <summary>An image's place in a chain: what is above it. Every path down is finite.</summary>
internal sealed class ChainPlace
{
    private const int MaxDepth = 200;

    private readonly ChainPlace? _above;
    private readonly string _identity;
    private readonly int _depth;

    private ChainPlace(ChainPlace? above, string identity, int depth) => (_above, _identity, _depth) = (above, identity, depth);

    /// <summary>The top of a chain.</summary>
    internal static ChainPlace Top(string name) => new(null, FileNames.Identity(name), 0);

    /// <summary>Nothing is above.</summary>
    internal bool IsTop => _depth == 0;

    /// <summary>The place of <paramref name="name"/> below this one. Throws <see cref="ImageException"/> where it is above already, or too deep.</summary>
    internal ChainPlace Below(string name)
    {
        string identity = FileNames.Identity(name);
        for (ChainPlace? place = this; place is not null && identity.Length > 0; place = place._above)
            if (place._identity == identity) throw new ImageException($"Backing file '{name}' creates an infinite loop");
        if (_depth + 1 > MaxDepth) throw new ImageException($"More than {MaxDepth} images lie on each other");
        return new ChainPlace(this, identity, _depth + 1);
    }
}
