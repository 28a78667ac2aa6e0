using System;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Reads a header out of an image's first cluster and refuses what breaks a limit. Messages are QEMU's.</summary>
internal static class Qcow2HeaderReader
{
    /// <summary>Reads and checks the header. Throws <see cref="ImageException"/>.</summary>
    internal static async ValueTask<Qcow2Header> ReadAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation)
    {
        byte[] fixedPart = new byte[Qcow2Limits.HeaderKnownBytes];
        await file.ReadBytesAsync(0, fixedPart, cancellation).ConfigureAwait(false);
        CheckFixedPart(fixedPart);
        byte[] cluster = new byte[1 << (int)Word(fixedPart, 20)];
        await file.ReadBytesAsync(0, cluster, cancellation).ConfigureAwait(false);
        return Parse(cluster, options);
    }

    /// <summary>Parses a whole first cluster. Throws <see cref="ImageException"/>.</summary>
    internal static Qcow2Header Parse(byte[] cluster, ImageOpenOptions options)
    {
        CheckFixedPart(cluster);
        int version = (int)Word(cluster, 4);
        uint headerBytes = version == 2 ? Qcow2Limits.HeaderV2Bytes : Word(cluster, 100);
        if (version == 3 && headerBytes < Qcow2Limits.HeaderV3Bytes) throw new ImageException("qcow2 header too short");
        if (headerBytes > cluster.Length) throw new ImageException("qcow2 header exceeds cluster size");
        ulong backingOffset = Long(cluster, 8);
        if (backingOffset > (ulong)cluster.Length) throw new ImageException("Invalid backing file offset");
        int extensionsEnd = backingOffset == 0 ? cluster.Length : (int)backingOffset;
        Qcow2Header header = new()
        {
            Version = version,
            ClusterBits = (int)Word(cluster, 20),
            Encryption = (Qcow2Encryption)Word(cluster, 32),
            SnapshotCount = Word(cluster, 60),
            SnapshotsOffset = (long)Long(cluster, 64),
            RefcountTableOffset = (long)Long(cluster, 48),
            L1Offset = (long)Long(cluster, 40),
        };
        if (version == 3)
        {
            header = header with
            {
                Incompatible = Long(cluster, 72),
                Compatible = Long(cluster, 80),
                Autoclear = Long(cluster, 88),
                RefcountOrder = (int)Math.Min(Word(cluster, 96), 64),
                UnknownFields = headerBytes > Qcow2Limits.HeaderKnownBytes ? [.. cluster.AsSpan(Qcow2Limits.HeaderKnownBytes, (int)headerBytes - Qcow2Limits.HeaderKnownBytes)] : [],
            };
        }
        CheckFeatures(header, cluster, (int)headerBytes, extensionsEnd, options);
        header = CheckTables(header, cluster, options) with { Compression = FindCompression(header, cluster, (int)headerBytes) };
        header = Qcow2HeaderExtensions.Read(header, cluster.AsSpan(0, extensionsEnd), (int)headerBytes);
        if (header.Encryption == Qcow2Encryption.Luks && header.CryptoHeader is null) throw new ImageException("Missing CRYPTO header for crypt method 2");
        return header with { BackingName = ReadBackingName(cluster, (int)backingOffset) };
    }

    private static void CheckFixedPart(ReadOnlySpan<byte> header)
    {
        if (Word(header, 0) != Qcow2Limits.Magic) throw new ImageException("Image is not in qcow2 format");
        uint version = Word(header, 4), bits = Word(header, 20);
        if (version is < 2 or > 3) throw Wrong($"Unsupported qcow2 version {version}");
        if (bits is < Qcow2Limits.MinClusterBits or > Qcow2Limits.MaxClusterBits) throw Wrong($"Unsupported cluster size: 2^{bits}");
    }

    private static void CheckFeatures(Qcow2Header header, byte[] cluster, int headerBytes, int extensionsEnd, ImageOpenOptions options)
    {
        ulong unknown = header.Incompatible & ~Qcow2Features.KnownIncompatible;
        if (unknown != 0)
        {
            ReadOnlySpan<byte> names = Qcow2HeaderExtensions.FindNameTable(cluster.AsSpan(0, extensionsEnd), headerBytes);
            throw new ImageException($"Unsupported qcow2 feature(s): {Qcow2Features.NameUnknown(unknown, names)}");
        }
        if (header.Has(Qcow2Features.Corrupt) && !options.ReadOnly && !options.ForCheck)
            throw new ImageException("qcow2: Image is corrupt; cannot be opened read/write", "Run 'check -r all' on the image to repair it.");
        int subclusterBytes = header.ClusterBytes / Qcow2Limits.SubclustersPerCluster;
        if (header.Has(Qcow2Features.ExtendedL2) && subclusterBytes < Qcow2Limits.MinSubclusterBytes) throw Wrong($"Unsupported subcluster size: {subclusterBytes}");
        if (header.RefcountOrder > Qcow2Limits.MaxRefcountOrder) throw new ImageException("Reference count entry width too large; may not exceed 64 bits");
        if ((uint)header.Encryption > 2) throw Wrong($"Unsupported encryption method {(uint)header.Encryption}");
    }

    private static Qcow2Header CheckTables(Qcow2Header header, byte[] cluster, ImageOpenOptions options)
    {
        uint refcountClusters = Word(cluster, 56), l1Entries = Word(cluster, 36);
        if (refcountClusters == 0 && !options.ForCheck) throw new ImageException("Image does not contain a reference count table");
        CheckTable("Reference count table", header, header.RefcountTableOffset, (long)refcountClusters << header.ClusterBits, Qcow2Limits.MaxRefcountTableBytes);
        // A check may cut a snapshot table that is too long; only its place counts then.
        long snapshots = options.ForCheck ? Math.Min(header.SnapshotCount, Qcow2Limits.MaxSnapshots) : header.SnapshotCount;
        CheckTable("Snapshot table", header, header.SnapshotsOffset, snapshots * Qcow2Limits.SnapshotHeaderBytes, (long)Qcow2Limits.MaxSnapshots * Qcow2Limits.SnapshotHeaderBytes);
        CheckTable("Active L1 table", header, header.L1Offset, (long)l1Entries * 8, Qcow2Limits.MaxL1Bytes);
        ulong length = Long(cluster, 24) & ~511UL;
        if (length > long.MaxValue) throw new ImageException("Image is too big");
        header = header with { LengthBytes = (long)length, L1Entries = (int)l1Entries, RefcountTableClusters = (int)refcountClusters };
        long needed = Qcow2Geometry.L1EntriesFor(header, header.LengthBytes);
        if (needed > int.MaxValue) throw new ImageException("Image is too big");
        if (l1Entries < needed) throw new ImageException("L1 table is too small");
        return header;
    }

    /// <summary>Refuses a table that is longer than it may be, not at a cluster's beginning, or beyond the largest offset.</summary>
    internal static void CheckTable(string what, Qcow2Header header, long offset, long lengthBytes, long maxBytes)
    {
        if (lengthBytes > maxBytes) throw new ImageException($"{what} too large") { Errno = BlockIoException.Efbig };
        if (offset < 0 || (offset & (header.ClusterBytes - 1)) != 0 || offset > long.MaxValue - lengthBytes) throw new ImageException($"{what} offset invalid") { Errno = BlockIoException.Einval };
    }

    private static Qcow2Compression FindCompression(Qcow2Header header, byte[] cluster, int headerBytes)
    {
        int type = headerBytes > Qcow2Limits.HeaderV3Bytes && header.Version == 3 ? cluster[104] : 0;
        if (type > 1) throw Wrong($"qcow2: unknown compression type: {type}");
        if (type == 0 && header.Has(Qcow2Features.Compression)) throw new ImageException("qcow2: Compression type incompatible feature bit must not be set");
        if (type != 0 && !header.Has(Qcow2Features.Compression)) throw new ImageException("qcow2: Compression type incompatible feature bit must be set");
        return (Qcow2Compression)type;
    }

    private static string? ReadBackingName(byte[] cluster, int offset)
    {
        if (offset == 0) return null;
        uint length = Word(cluster, 16);
        if (length > Math.Min(Qcow2Limits.MaxBackingNameBytes, cluster.Length - offset)) throw new ImageException("Backing file name too long");
        return length == 0 ? null : Encoding.UTF8.GetString(cluster, offset, (int)length);
    }

    private static uint Word(ReadOnlySpan<byte> header, int offset) => BinaryPrimitives.ReadUInt32BigEndian(header[offset..]);

    private static ulong Long(ReadOnlySpan<byte> header, int offset) => BinaryPrimitives.ReadUInt64BigEndian(header[offset..]);

    private static ImageException Wrong(FormattableString message) => new(message.ToString(CultureInfo.InvariantCulture));
}
