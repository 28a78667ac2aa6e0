using System;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>An entry of the bitmap directory.</summary>
/// <param name="Name">Its name.</param>
/// <param name="TableOffset">Where its table lies.</param>
/// <param name="TableEntries">Entries of the table, one for each cluster of bits.</param>
/// <param name="Flags">Its flags.</param>
/// <param name="GranularityBits">Bytes of the disk for a bit, as a power of two.</param>
internal sealed record Qcow2BitmapEntry(string Name, long TableOffset, int TableEntries, uint Flags, int GranularityBits)
{
    /// <summary>Flags: its bits mean nothing, because they were not saved; it records writes; extra data that is not understood does no harm.</summary>
    internal const uint InUse = 1, Auto = 2, ExtraDataCompatible = 4;
}

/// <summary>The directory of persistent bitmaps (qcow2 §"Bitmap directory").</summary>
internal static class Qcow2BitmapDirectory
{
    private const int EntryHeaderBytes = 24, DirtyTracking = 1, MinGranularityBits = 9, MaxGranularityBits = 31, MaxNameBytes = 1023;

    // QEMU's caps: bits of one bitmap, and entries of its table.
    private const long MaxBitmapBytes = 0x2000_0000, MaxTableEntries = 0x800_0000;

    /// <summary>Reads the directory. Throws <see cref="ImageException"/> for one that is not well-formed.</summary>
    internal static async ValueTask<ImmutableArray<Qcow2BitmapEntry>> ReadAsync(BlockNode file, Qcow2Header header, CancellationToken cancellation)
    {
        if (header.Bitmaps is not { } extension) return [];
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

    private static Qcow2BitmapEntry Parse(byte[] directory, ref int at, Qcow2Header header)
    {
        if (directory.Length - at < EntryHeaderBytes) throw Broken();
        ReadOnlySpan<byte> head = directory.AsSpan(at);
        ulong offset = BinaryPrimitives.ReadUInt64BigEndian(head);
        uint entries = BinaryPrimitives.ReadUInt32BigEndian(head[8..]), flags = BinaryPrimitives.ReadUInt32BigEndian(head[12..]), extra = BinaryPrimitives.ReadUInt32BigEndian(head[20..]);
        int name = BinaryPrimitives.ReadUInt16BigEndian(head[18..]), bits = head[17];
        long length = (EntryHeaderBytes + (long)extra + name + 7) & ~7L;
        if (length > directory.Length - at) throw Broken();
        if (extra != 0) throw new ImageException("Bitmap extra data is not supported");
        bool isWrong = entries == 0 || offset == 0 || offset > long.MaxValue - ((ulong)entries * 8) || (offset & (ulong)(header.ClusterBytes - 1)) != 0 || entries > MaxTableEntries
            || (flags & ~(Qcow2BitmapEntry.InUse | Qcow2BitmapEntry.Auto)) != 0 || head[16] != DirtyTracking || bits is < MinGranularityBits or > MaxGranularityBits
            || name is 0 or > MaxNameBytes || (long)entries << header.ClusterBits > MaxBitmapBytes + header.ClusterBytes;
        if (isWrong) throw Broken();
        string text = Encoding.UTF8.GetString(head.Slice(EntryHeaderBytes, name));
        at += (int)length;
        return new(text, (long)offset, (int)entries, flags, bits);
    }

    private static ImageException Broken() => new("Broken bitmap directory");
}
