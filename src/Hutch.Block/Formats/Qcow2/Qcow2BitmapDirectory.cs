using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>An entry of the bitmap directory.</summary>
/// <param name="NameBytes">Its name as it is stored.</param>
/// <param name="TableOffset">Where its table lies.</param>
/// <param name="TableEntries">Entries of the table, one for each cluster of bits.</param>
/// <param name="Flags">Its flags.</param>
/// <param name="GranularityBits">Bytes of the disk for a bit, as a power of two.</param>
internal sealed record Qcow2BitmapEntry(ImmutableArray<byte> NameBytes, long TableOffset, int TableEntries, uint Flags, int GranularityBits)
{
    /// <summary>Flags: its bits mean nothing, because they were not saved; it records writes; extra data that is not understood does no harm.</summary>
    internal const uint InUse = 1, Auto = 2, ExtraDataCompatible = 4;

    /// <summary>Where the flags lie in an entry, in bytes.</summary>
    internal const int FlagsOffset = 12;

    /// <summary>Length of what comes before the name in bytes.</summary>
    internal const int HeaderBytes = 24;

    /// <summary>Its name.</summary>
    internal string Name { get; } = Encoding.UTF8.GetString(NameBytes.AsSpan());

    /// <summary>Its bits mean nothing, because they were not saved.</summary>
    internal bool IsInUse => (Flags & InUse) != 0;

    /// <summary>It records writes.</summary>
    internal bool IsAuto => (Flags & Auto) != 0;

    /// <summary>Its length in the directory in bytes.</summary>
    internal int StoredBytes => (HeaderBytes + NameBytes.Length + 7) & ~7;
}

/// <summary>The directory of persistent bitmaps (qcow2 §"Bitmap directory").</summary>
internal static class Qcow2BitmapDirectory
{
    private const int DirtyTracking = 1;

    /// <summary>Reads the directory. Throws <see cref="ImageException"/> for one that is not well-formed.</summary>
    internal static async ValueTask<ImmutableArray<Qcow2BitmapEntry>> ReadAsync(BlockNode file, Qcow2Header header, CancellationToken cancellation)
    {
        if (header.Bitmaps is not { } extension) return [];
        // A file need not be as long as its directory claims to be.
        if (extension.Directory.LengthBytes > file.LengthBytes) throw Broken();
        byte[] directory = new byte[extension.Directory.LengthBytes];
        try
        {
            await file.ReadBytesAsync(extension.Directory.Offset, directory, cancellation).ConfigureAwait(false);
        }
        catch (BlockIoException e)
        {
            throw new ImageException("Failed to read bitmap directory", e);
        }
        ImmutableArray<Qcow2BitmapEntry>.Builder entries = ImmutableArray.CreateBuilder<Qcow2BitmapEntry>(extension.Count);
        for (int at = 0; at < directory.Length;)
        {
            if (entries.Count == extension.Count) throw new ImageException("More bitmaps found than specified in header extension");
            entries.Add(Parse(directory, ref at, header));
        }
        return entries.Count == extension.Count ? entries.MoveToImmutable() : throw new ImageException("Less bitmaps found than specified in header extension");
    }

    /// <summary>Whether an entry of a bitmap's table is well-formed.</summary>
    internal static bool IsValid(ulong entry, Qcow2Geometry geometry)
    {
        ulong offset = entry & Qcow2Limits.L1OffsetMask;
        return (entry & ~(Qcow2Limits.L1OffsetMask | 1)) == 0 && (offset == 0 || ((entry & 1) == 0 && geometry.InCluster((long)offset) == 0));
    }

    /// <summary>The bytes of a directory. Throws <see cref="ImageException"/> where it would be too long.</summary>
    internal static byte[] Write(IReadOnlyList<Qcow2BitmapEntry> entries)
    {
        long length = 0;
        foreach (Qcow2BitmapEntry entry in entries) length += entry.StoredBytes;
        if (entries.Count > Qcow2Limits.MaxBitmaps) throw new ImageException("Maximum number of persistent bitmaps is already reached");
        if (length > Qcow2Limits.MaxBitmapDirectoryBytes) throw new ImageException("Not enough space in the bitmap directory");
        byte[] directory = new byte[length];
        int at = 0;
        foreach (Qcow2BitmapEntry entry in entries)
        {
            Span<byte> to = directory.AsSpan(at, entry.StoredBytes);
            BinaryPrimitives.WriteInt64BigEndian(to, entry.TableOffset);
            BinaryPrimitives.WriteInt32BigEndian(to[8..], entry.TableEntries);
            BinaryPrimitives.WriteUInt32BigEndian(to[Qcow2BitmapEntry.FlagsOffset..], entry.Flags);
            to[16] = DirtyTracking;
            to[17] = (byte)entry.GranularityBits;
            BinaryPrimitives.WriteUInt16BigEndian(to[18..], (ushort)entry.NameBytes.Length);
            entry.NameBytes.AsSpan().CopyTo(to[Qcow2BitmapEntry.HeaderBytes..]);
            at += to.Length;
        }
        return directory;
    }

    private static Qcow2BitmapEntry Parse(byte[] directory, ref int at, Qcow2Header header)
    {
        if (directory.Length - at < Qcow2BitmapEntry.HeaderBytes) throw Broken();
        ReadOnlySpan<byte> head = directory.AsSpan(at);
        ulong offset = BinaryPrimitives.ReadUInt64BigEndian(head);
        uint entries = BinaryPrimitives.ReadUInt32BigEndian(head[8..]), flags = BinaryPrimitives.ReadUInt32BigEndian(head[12..]), extra = BinaryPrimitives.ReadUInt32BigEndian(head[20..]);
        int name = BinaryPrimitives.ReadUInt16BigEndian(head[18..]), bits = head[17];
        long length = (Qcow2BitmapEntry.HeaderBytes + (long)extra + name + 7) & ~7L;
        if (length > directory.Length - at) throw Broken();
        if (extra != 0) throw new ImageException("Bitmap extra data is not supported");
        bool isWrong = entries == 0 || offset == 0 || offset > long.MaxValue - ((ulong)entries * 8) || (offset & (ulong)(header.ClusterBytes - 1)) != 0 || entries > Qcow2Limits.MaxBitmapTableEntries
            || (flags & ~(Qcow2BitmapEntry.InUse | Qcow2BitmapEntry.Auto)) != 0 || head[16] != DirtyTracking || bits is < Qcow2Limits.MinGranularityBits or > Qcow2Limits.MaxGranularityBits
            || name is 0 or > Qcow2Limits.MaxBitmapNameBytes || (long)entries << header.ClusterBits > Qcow2Limits.MaxBitmapBytes + header.ClusterBytes;
        if (isWrong) throw Broken();
        at += (int)length;
        return new([.. head.Slice(Qcow2BitmapEntry.HeaderBytes, name)], (long)offset, (int)entries, flags, bits);
    }

    private static ImageException Broken() => new("Broken bitmap directory");
}
