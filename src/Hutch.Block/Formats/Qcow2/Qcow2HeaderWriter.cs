using System;
using System.Buffers.Binary;
using System.Text;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Writes a header with all that belongs into the first cluster, in QEMU's order; what was not understood is kept.</summary>
internal static class Qcow2HeaderWriter
{
    /// <summary>Offsets of fields that are also written alone, in bytes.</summary>
    internal const int LengthOffset = 24, L1EntriesOffset = 36, RefcountTableOffset = 48, SnapshotCountOffset = 60, IncompatibleOffset = 72;

    // QEMU leaves the names out where the first cluster is small, so that room for the backing name stays.
    private const int SmallClusterBytes = 4096;

    /// <summary>
    /// The first cluster. Throws <see cref="BlockIoException"/> (ENOSPC) where it does not fit.
    /// </summary>
    internal static byte[] Write(Qcow2Header header) => Write(header, out _);

    /// <summary>The same, and how much of it is used, in bytes.</summary>
    internal static byte[] Write(Qcow2Header header, out int used)
    {
        byte[] cluster = new byte[header.ClusterBytes];
        Writer writer = WriteExtensions(header, cluster, withNames: cluster.Length > SmallClusterBytes);
        if (header.BackingName is { Length: > 0 } name)
        {
            int offset = writer.Position;
            WriteBackingPlace(cluster, offset, writer.Append(Encoding.UTF8.GetBytes(name)));
        }
        used = writer.Position;
        return cluster;
    }

    /// <summary>A header as short as it can be, with the backing image's name at <paramref name="nameOffset"/>. Null where that does not fit.</summary>
    internal static byte[]? WriteInterim(Qcow2Header header, int nameOffset, out int end)
    {
        byte[] cluster = new byte[header.ClusterBytes];
        end = WriteExtensions(header, cluster, withNames: false).Position;
        byte[] name = Encoding.UTF8.GetBytes(header.BackingName ?? "");
        if (end > nameOffset || name.Length > cluster.Length - nameOffset) return null;
        name.CopyTo(cluster, nameOffset);
        if (name.Length != 0) WriteBackingPlace(cluster, nameOffset, name.Length);
        return cluster;
    }

    private static Writer WriteExtensions(Qcow2Header header, byte[] cluster, bool withNames)
    {
        Writer writer = new(cluster);
        int headerBytes = header.Version == 2 ? Qcow2Limits.HeaderV2Bytes : Qcow2Limits.HeaderKnownBytes + header.UnknownFields.Length;
        WriteFixedPart(header, cluster, headerBytes);
        writer.Skip(headerBytes);
        if (header.BackingFormat is { Length: > 0 } format) writer.Extension(Qcow2HeaderExtensions.BackingFormat, Encoding.UTF8.GetBytes(format));
        if (header.HasDataFile && header.DataFileName is { } dataFile) writer.Extension(Qcow2HeaderExtensions.DataFileName, Encoding.UTF8.GetBytes(dataFile));
        if (header.CryptoHeader is { } crypto)
        {
            Span<byte> data = stackalloc byte[Qcow2HeaderExtensions.CryptoHeaderBytes];
            BinaryPrimitives.WriteInt64BigEndian(data, crypto.Offset);
            BinaryPrimitives.WriteInt64BigEndian(data[8..], crypto.LengthBytes);
            writer.Extension(Qcow2HeaderExtensions.CryptoHeader, data);
        }
        if (header.Version == 3 && withNames) writer.Extension(Qcow2HeaderExtensions.FeatureNames, Qcow2Features.WriteNameTable());
        if (header.Bitmaps is { } bitmaps)
        {
            Span<byte> data = stackalloc byte[Qcow2HeaderExtensions.BitmapsBytes];
            data.Clear();
            BinaryPrimitives.WriteInt32BigEndian(data, bitmaps.Count);
            BinaryPrimitives.WriteInt64BigEndian(data[8..], bitmaps.Directory.LengthBytes);
            BinaryPrimitives.WriteInt64BigEndian(data[16..], bitmaps.Directory.Offset);
            writer.Extension(Qcow2HeaderExtensions.Bitmaps, data);
        }
        foreach (Qcow2UnknownExtension unknown in header.UnknownExtensions) writer.Extension(unknown.Type, unknown.Data.AsSpan());
        writer.Extension(Qcow2HeaderExtensions.End, default);
        return writer;
    }

    private static void WriteBackingPlace(byte[] cluster, int offset, int lengthBytes)
    {
        BinaryPrimitives.WriteInt64BigEndian(cluster.AsSpan(8), offset);
        BinaryPrimitives.WriteInt32BigEndian(cluster.AsSpan(16), lengthBytes);
    }

    private static void WriteFixedPart(Qcow2Header header, Span<byte> to, int headerBytes)
    {
        BinaryPrimitives.WriteUInt32BigEndian(to, Qcow2Limits.Magic);
        BinaryPrimitives.WriteInt32BigEndian(to[4..], header.Version);
        BinaryPrimitives.WriteInt32BigEndian(to[20..], header.ClusterBits);
        BinaryPrimitives.WriteInt64BigEndian(to[LengthOffset..], header.LengthBytes);
        BinaryPrimitives.WriteInt32BigEndian(to[32..], (int)header.Encryption);
        BinaryPrimitives.WriteInt32BigEndian(to[L1EntriesOffset..], header.L1Entries);
        BinaryPrimitives.WriteInt64BigEndian(to[40..], header.L1Offset);
        BinaryPrimitives.WriteInt64BigEndian(to[RefcountTableOffset..], header.RefcountTableOffset);
        BinaryPrimitives.WriteInt32BigEndian(to[56..], header.RefcountTableClusters);
        BinaryPrimitives.WriteUInt32BigEndian(to[SnapshotCountOffset..], header.SnapshotCount);
        BinaryPrimitives.WriteInt64BigEndian(to[64..], header.SnapshotsOffset);
        if (header.Version == 2) return;
        BinaryPrimitives.WriteUInt64BigEndian(to[IncompatibleOffset..], header.Incompatible);
        BinaryPrimitives.WriteUInt64BigEndian(to[80..], header.Compatible);
        BinaryPrimitives.WriteUInt64BigEndian(to[88..], header.Autoclear);
        BinaryPrimitives.WriteInt32BigEndian(to[96..], header.RefcountOrder);
        BinaryPrimitives.WriteInt32BigEndian(to[100..], headerBytes);
        to[104] = (byte)header.Compression;
        if (headerBytes > to.Length) throw Full();
        header.UnknownFields.AsSpan().CopyTo(to[Qcow2Limits.HeaderKnownBytes..]);
    }

    private static BlockIoException Full() => new("The image's first cluster has no room for its header.", BlockIoException.Enospc);

    // Mutable struct! Don't make this readonly.
    private struct Writer(byte[] cluster)
    {
        internal int Position { get; private set; }

        internal void Skip(int lengthBytes)
        {
            if (lengthBytes > cluster.Length - Position) throw Full();
            Position += lengthBytes;
        }

        internal int Append(ReadOnlySpan<byte> data)
        {
            int at = Position;
            Skip(data.Length);
            data.CopyTo(cluster.AsSpan(at));
            return data.Length;
        }

        internal void Extension(uint type, ReadOnlySpan<byte> data)
        {
            int at = Position;
            Skip(8);
            BinaryPrimitives.WriteUInt32BigEndian(cluster.AsSpan(at), type);
            BinaryPrimitives.WriteInt32BigEndian(cluster.AsSpan(at + 4), data.Length);
            Append(data);
            Skip(-data.Length & 7);
        }
    }
}
