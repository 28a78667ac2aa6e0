using System.Collections.Immutable;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>How an image's data is encrypted (header field crypt_method).</summary>
internal enum Qcow2Encryption
{
    /// <summary>Not at all.</summary>
    None = 0,

    /// <summary>AES-128 CBC by guest offset; legacy.</summary>
    Aes = 1,

    /// <summary>LUKS, whose header lies in the image.</summary>
    Luks = 2,
}

/// <summary>How clusters are compressed (header field compression_type).</summary>
internal enum Qcow2Compression
{
    /// <summary>Raw deflate.</summary>
    Zlib = 0,

    /// <summary>One zstd frame for each cluster.</summary>
    Zstd = 1,
}

/// <summary>A range of an image's file.</summary>
/// <param name="Offset">First byte.</param>
/// <param name="LengthBytes">Length in bytes.</param>
internal readonly record struct Qcow2Range(long Offset, long LengthBytes);

/// <summary>The bitmaps extension: where the directory of persistent bitmaps lies.</summary>
/// <param name="Count">Number of bitmaps, at least 1.</param>
/// <param name="Directory">The directory.</param>
internal sealed record Qcow2BitmapExtension(int Count, Qcow2Range Directory);

/// <summary>A header extension that is not understood; it is kept.</summary>
/// <param name="Type">Its magic number.</param>
/// <param name="Data">Its data.</param>
internal sealed record Qcow2UnknownExtension(uint Type, ImmutableArray<byte> Data);

/// <summary>
/// The header of an image with its extensions and the backing file's name: what lies in the first cluster. A value; <see cref="Qcow2HeaderReader"/> makes it,
/// <see cref="Qcow2HeaderWriter"/> writes it.
/// </summary>
internal sealed record Qcow2Header
{
    /// <summary>2 or 3.</summary>
    public required int Version { get; init; }

    /// <summary>Cluster size as a power of two.</summary>
    public required int ClusterBits { get; init; }

    /// <summary>Length of the disk in bytes.</summary>
    public long LengthBytes { get; init; }

    /// <summary>Encryption of the data.</summary>
    public Qcow2Encryption Encryption { get; init; }

    /// <summary>Number of entries of the active L1 table.</summary>
    public int L1Entries { get; init; }

    /// <summary>Where the active L1 table lies.</summary>
    public long L1Offset { get; init; }

    /// <summary>Where the refcount table lies.</summary>
    public long RefcountTableOffset { get; init; }

    /// <summary>The refcount table's length in clusters.</summary>
    public int RefcountTableClusters { get; init; }

    /// <summary>Number of snapshots.</summary>
    public uint SnapshotCount { get; init; }

    /// <summary>Where the snapshot table lies.</summary>
    public long SnapshotsOffset { get; init; }

    /// <summary>Feature bits; see <see cref="Qcow2Features"/>.</summary>
    public ulong Incompatible { get; init; }

    /// <inheritdoc cref="Incompatible"/>
    public ulong Compatible { get; init; }

    /// <inheritdoc cref="Incompatible"/>
    public ulong Autoclear { get; init; }

    /// <summary>Width of a refcount as a power of two in bits; 4 in version 2.</summary>
    public int RefcountOrder { get; init; } = 4;

    /// <summary>Compression of compressed clusters.</summary>
    public Qcow2Compression Compression { get; init; }

    /// <summary>What a longer header has behind the known fields; kept as it is.</summary>
    public ImmutableArray<byte> UnknownFields { get; init; } = [];

    /// <summary>The backing file's name; null where there is none.</summary>
    public string? BackingName { get; init; }

    /// <summary>The backing file's format; null where the image does not say.</summary>
    public string? BackingFormat { get; init; }

    /// <summary>The external data file's name as the image says; null where it does not.</summary>
    public string? DataFileName { get; init; }

    /// <summary>Where the LUKS header lies; null without LUKS.</summary>
    public Qcow2Range? CryptoHeader { get; init; }

    /// <summary>Persistent bitmaps; null where there are none, or none that can be trusted.</summary>
    public Qcow2BitmapExtension? Bitmaps { get; init; }

    /// <summary>Extensions that are not understood, in their order.</summary>
    public ImmutableArray<Qcow2UnknownExtension> UnknownExtensions { get; init; } = [];

    /// <summary>A message for the operator that reading left: bitmaps that are not consistent. Null for none.</summary>
    public string? Warning { get; init; }

    /// <summary>Cluster size in bytes.</summary>
    public int ClusterBytes => 1 << ClusterBits;

    /// <summary>Whether all of an incompatible feature's bits are set.</summary>
    public bool Has(ulong incompatible) => (Incompatible & incompatible) == incompatible;

    /// <summary>Data lies in an external file.</summary>
    public bool HasDataFile => Has(Qcow2Features.DataFile);

    /// <summary>The external data file is a valid raw image at all times.</summary>
    public bool IsDataFileRaw => (Autoclear & Qcow2Features.DataFileRaw) != 0;

    /// <summary>Refcount updates may be postponed.</summary>
    public bool IsLazy => (Compatible & Qcow2Features.LazyRefcounts) != 0;
}
