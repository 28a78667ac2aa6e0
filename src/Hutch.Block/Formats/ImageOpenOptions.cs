using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Block.Formats.Luks;

namespace Hutch.Block.Formats;

/// <summary>How an image is opened.</summary>
public sealed record ImageOpenOptions
{
    /// <summary>Nothing of the image is changed, not even a mark that it is in use.</summary>
    public required bool ReadOnly { get; init; }

    /// <summary>The image is opened to be examined or repaired: damage does not refuse the opening, and nothing is mended by itself.</summary>
    public bool ForCheck { get; init; }

    /// <summary>Only the image's own metadata is wanted: data files stay closed where that is possible, and keys need not be given.</summary>
    public bool NoData { get; init; }

    /// <summary>Opens what the image names. Required where references may be followed; null refuses all, leaving backing images closed.</summary>
    public IImageReferences? References { get; init; }

    /// <summary>Secrets (passphrases) by id.</summary>
    public ISecrets? Secrets { get; init; }

    /// <summary>Takes sentences for the operator that no failing request carries: an image was found corrupt, its bitmaps cannot be trusted. Any thread.</summary>
    public Action<string>? Report { get; init; }

    /// <summary>Run-time options of the driver by their names in QEMU's block options, such as <c>lazy-refcounts</c> or <c>encrypt.key-secret</c>.</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; } = ImmutableDictionary<string, string>.Empty;
}

/// <summary>Passphrases and keys by id, as given on the command line.</summary>
public interface ISecrets
{
    /// <summary>The secret's bytes; null where there is none of that id.</summary>
    byte[]? Find(string id);

    /// <summary>Keys of the volumes made with these secrets, where they are to be remembered.</summary>
    VolumeKeys? Made => null;
}
