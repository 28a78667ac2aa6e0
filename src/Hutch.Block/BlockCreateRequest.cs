using System.Collections.Generic;
using Hutch.Block.Formats;

namespace Hutch.Block;

/// <summary>An image to make, for <see cref="BlockGraph.CreateAsync"/>.</summary>
public sealed record BlockCreateRequest
{
    /// <summary>A path or a URI.</summary>
    public required string Filename { get; init; }

    /// <summary>The format.</summary>
    public required ImageFormat Format { get; init; }

    /// <summary>Virtual length in bytes.</summary>
    public required long LengthBytes { get; init; }

    /// <summary>See <see cref="ImageCreateRequest.Options"/>.</summary>
    public required IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>Secrets by id.</summary>
    public ISecrets? Secrets { get; init; }
}
