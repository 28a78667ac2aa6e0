using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block;

/// <summary>Whether files that an image names in its metadata are opened.</summary>
public enum ReferencePolicy
{
    /// <summary>Backing images and data files are opened.</summary>
    Follow,

    /// <summary>Data files are opened, backing images stay closed.</summary>
    NoBacking,

    /// <summary>Nothing that an image names is opened: an image with a backing image opens without it, one that needs a data file is refused.</summary>
    Refuse,
}

/// <summary>An image to open, for <see cref="BlockGraph"/>.</summary>
public sealed record BlockOpenRequest
{
    /// <summary>A path, a URI (nbd://, nbd+unix://), or a json: description; empty where <see cref="Options"/> describe everything.</summary>
    public required string Filename { get; init; }

    /// <summary>The format's name; null probes it.</summary>
    public string? Format { get; init; }

    /// <summary>Options of the nodes by their dotted names, as QEMU's --image-opts and json: have them (<c>file.filename</c>, <c>encrypt.key-secret</c>).</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Nothing is written.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>The image may be in use by a writer (-U); readers only.</summary>
    public bool ForceShare { get; init; }

    /// <summary>See <see cref="ImageOpenOptions.ForCheck"/>.</summary>
    public bool ForCheck { get; init; }

    /// <summary>See <see cref="ImageOpenOptions.NoData"/>.</summary>
    public bool NoData { get; init; }

    /// <summary>Which of an image's references are followed.</summary>
    public ReferencePolicy References { get; init; } = ReferencePolicy.Follow;

    /// <summary>Page cache and durability.</summary>
    public CacheMode Cache { get; init; } = CacheMode.Writeback;

    /// <summary>How requests are given to the kernel.</summary>
    public AioMode Aio { get; init; } = AioMode.Auto;

    /// <summary>
    /// What awaits the image's requests may go on on the thread that carries them out, which spares a hop, and must be quick and never block there. Otherwise it
    /// goes on on the thread pool.
    /// </summary>
    public bool ContinuesInline { get; init; }

    /// <summary>Discards reach the storage; otherwise they are ignored.</summary>
    public bool Unmap { get; init; } = true;

    /// <summary>What a read fetches from below the image is kept in it.</summary>
    public bool CopyOnRead { get; init; }

    /// <summary>What is written goes into a temporary overlay, which goes away with the node.</summary>
    public bool IsTemporary { get; init; }

    /// <summary>A file to make that keeps what writes to the image's file replace; see <see cref="BlockGraph.UndoAsync"/>.</summary>
    public string? UndoFile { get; init; }

    /// <summary>Hears what may be wrong with what is opened.</summary>
    public Action<string>? Warn { get; init; }

    /// <summary>Secrets by id.</summary>
    public ISecrets? Secrets { get; init; }

    /// <summary>The folder with TLS credentials of an id, for NBD (ca-cert.pem, client-cert.pem, client-key.pem); returns null where there are none of that id.</summary>
    public Func<string, string?>? FindTlsFolder { get; init; }
}
