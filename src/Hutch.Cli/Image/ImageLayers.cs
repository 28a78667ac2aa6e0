using System;
using System.Collections.Generic;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Block.Jobs;

namespace Hutch.Cli.Image;

/// <summary>Images of a chain, each opened without what lies below it, and the base below them, opened for writing with all that it lies on.</summary>
internal sealed class ImageLayers : IDisposable
{
    private readonly List<ImageNode> _above = [];
    private ImageNode? _base;

    /// <summary>The images above the base, the top first.</summary>
    internal IReadOnlyList<ImageNode> Above => _above;

    /// <summary>The base.</summary>
    internal ImageNode Base => _base!;

    /// <summary>Opens a chain from the top down to <paramref name="downTo"/> (null: the next image). Null, with an error said, where that cannot be.</summary>
    internal static ImageLayers? Open(Tool tool, ImageArguments common, string name, BlockOpenRequest request, string? downTo)
    {
        ImageLayers layers = new();
        if (layers.TryOpen(tool, common, name, request, downTo)) return layers;
        layers.Dispose();
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_base is not null) Blocking.Wait(_base.DisposeAsync());
        foreach (ImageNode image in _above) Blocking.Wait(image.DisposeAsync());
        _above.Clear();
        _base = null;
    }

    private bool TryOpen(Tool tool, ImageArguments common, string name, BlockOpenRequest request, string? downTo)
    {
        if (request.References == ReferencePolicy.Refuse)
        {
            tool.Error("The images below an untrusted image are not opened");
            return false;
        }
        HashSet<string> seen = new(StringComparer.Ordinal);
        BlockOpenRequest next = request with { References = ReferencePolicy.NoBacking };
        while (true)
        {
            ImageNode? image = common.Open(name, next);
            if (image is null) return false;
            _above.Add(image);
            string? below = image.BackingReference is ImageReference reference ? BlockGraph.ResolveReference(image.Filename, reference.Name) : null;
            if (below is null)
            {
                tool.Error(downTo is null ? "Image does not have a backing file" : $"Did not find '{downTo}' in the backing chain of '{request.Filename}'");
                return false;
            }
            if (!seen.Add(below))
            {
                tool.Error($"Backing file '{below}' creates an infinite loop.");
                return false;
            }
            BlockOpenRequest lower = new() { Filename = below, Format = image.BackingReference!.Format, Secrets = common.Secrets, Cache = request.Cache };
            if (downTo is null || downTo == below || downTo == image.BackingReference.Name)
            {
                _base = common.Open(below, lower);
                return _base is not null;
            }
            (name, next) = (below, lower with { ReadOnly = true, References = ReferencePolicy.NoBacking });
        }
    }
}
