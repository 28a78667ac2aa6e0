using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Bitmaps on disk: bits in clusters, a table of these for each bitmap, a directory of the tables, which the header names. New ones go into clusters that nothing
/// names; when all of that is durable one write of the header makes it count; then what was there before becomes free. No request is in flight.
/// </summary>
internal sealed class Qcow2BitmapStore(Qcow2Metadata metadata)
{
    private readonly Qcow2Geometry _geometry = metadata.Geometry;

    /// <summary>
    /// Reads the bits of a bitmap into <paramref name="bits"/>, which are clear. Throws <see cref="ImageException"/> where the table is not well-formed or storage
    /// fails, and <see cref="BlockIoException"/> where memory does not reach.
    /// </summary>
    internal async ValueTask LoadAsync(Qcow2BitmapEntry entry, BitmapBits bits, Lock sync)
    {
        if (entry.TableEntries != _geometry.ClustersFor(BitmapBits.BytesFor(bits.LengthBytes, entry.GranularityBits))) throw Unreadable(entry);
        byte[] cluster = new byte[_geometry.ClusterBytes];
        long at = 0;
        await foreach (ReadOnlyMemory<ulong> part in ReadPartsAsync(entry).ConfigureAwait(false))
        {
            for (int i = 0; i < part.Length; i++, at += cluster.Length) await LoadClusterAsync(entry, part.Span[i], at, bits, cluster, sync).ConfigureAwait(false);
        }
    }

    private async ValueTask LoadClusterAsync(Qcow2BitmapEntry entry, ulong word, long at, BitmapBits bits, byte[] cluster, Lock sync)
    {
        if (!Qcow2BitmapDirectory.IsValid(word, _geometry)) throw Unreadable(entry);
        long offset = (long)(word & Qcow2Limits.L1OffsetMask);
        if (offset != 0)
        {
            try
            {
                await metadata.File.ReadBytesAsync(offset, cluster, CancellationToken.None).ConfigureAwait(false);
            }
            catch (BlockIoException e)
            {
                throw new ImageException($"Could not read the bits of bitmap '{entry.Name}'", e);
            }
            lock (sync) bits.CopyFrom(at, cluster);
        }
        else if (word != 0)
        {
            lock (sync) bits.FillBytes(at, cluster.Length);
        }
    }

    /// <summary>Writes bits and their table into new clusters. All that it takes is added to <paramref name="taken"/>. Not durable yet.</summary>
    internal async ValueTask<Qcow2BitmapEntry> WriteAsync(Qcow2Bitmap bitmap, BitmapBits bits, Lock sync, List<Qcow2Range> taken)
    {
        int entries = (int)_geometry.ClustersFor(BitmapBits.BytesFor(bits.LengthBytes, bitmap.GranularityBits));
        ulong[] table = new ulong[entries];
        byte[] cluster = new byte[_geometry.ClusterBytes];
        for (int i = 0; i < entries; i++)
        {
            lock (sync) bits.CopyTo((long)i << _geometry.ClusterBits, cluster);
            if (BitmapBits.IsUniform(cluster, out bool ones))
            {
                table[i] = ones ? 1UL : 0;
                continue;
            }
            long offset = await TakeAsync(cluster.Length, OverlapKind.BitmapData, taken).ConfigureAwait(false);
            await metadata.WriteTableAsync(offset, cluster).ConfigureAwait(false);
            table[i] = (ulong)offset;
        }
        long at = await TakeAsync(entries * 8L, OverlapKind.BitmapData, taken).ConfigureAwait(false);
        await metadata.WriteWordsAsync(at, table).ConfigureAwait(false);
        return new(bitmap.NameBytes, at, entries, bitmap.IsEnabled ? Qcow2BitmapEntry.Auto : 0, bitmap.GranularityBits);
    }

    /// <summary>
    /// Makes all that was written durable, and then these entries those that count; none: the image has no bitmaps. What was taken is given back where that fails, except
    /// while the header is written: nobody knows then whether it names it.
    /// </summary>
    internal async ValueTask SwitchAsync(IReadOnlyList<Qcow2BitmapEntry> entries, List<Qcow2Range> taken)
    {
        Qcow2BitmapExtension? old = metadata.Header.Bitmaps, now = null;
        bool isDurable = false;
        try
        {
            byte[] directory = Qcow2BitmapDirectory.Write(entries);
            if (directory.Length != 0)
            {
                long offset = await TakeAsync(directory.Length, OverlapKind.BitmapDirectory, taken).ConfigureAwait(false);
                await metadata.WriteTableAsync(offset, directory).ConfigureAwait(false);
                now = new(entries.Count, new(offset, directory.Length));
            }
            await metadata.CommitAsync(withRefcounts: true, CancellationToken.None).ConfigureAwait(false);
            isDurable = true;
        }
        finally
        {
            if (!isDurable) Abandon(taken);
        }
        await metadata.UpdateHeaderAsync(header => header with
        {
            Bitmaps = now,
            Autoclear = now is null ? header.Autoclear & ~Qcow2Features.Bitmaps : header.Autoclear | Qcow2Features.Bitmaps,
        }, CancellationToken.None).ConfigureAwait(false);
        if (old is not null) metadata.Free(old.Directory.Offset, old.Directory.LengthBytes);
    }

    /// <summary>Says durably of the marked entries that their bits mean nothing until they are stored. A crash on the way leaves some said and some not.</summary>
    internal async ValueTask MarkInUseAsync(IReadOnlyList<(Qcow2BitmapEntry Entry, bool IsMarked)> directory)
    {
        long at = metadata.Header.Bitmaps!.Directory.Offset;
        byte[] flags = new byte[4];
        foreach ((Qcow2BitmapEntry entry, bool isMarked) in directory)
        {
            if (isMarked)
            {
                BinaryPrimitives.WriteUInt32BigEndian(flags, entry.Flags | Qcow2BitmapEntry.InUse);
                await metadata.File.WriteBytesAsync(at + Qcow2BitmapEntry.FlagsOffset, flags, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
            }
            at += entry.StoredBytes;
        }
        await metadata.File.FlushAsync(CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>Gives the clusters of a bitmap that nothing durable names up. What its table does not tell is leaked.</summary>
    internal async ValueTask FreeAsync(Qcow2BitmapEntry entry)
    {
        try
        {
            await foreach (ReadOnlyMemory<ulong> part in ReadPartsAsync(entry).ConfigureAwait(false)) Free(part.Span);
        }
        catch (ImageException e)
        {
            metadata.Settings.Report?.Invoke($"\"{metadata.File.Filename}\": clusters of a bitmap could not be freed and are leaked: {e.Message}");
        }
        metadata.Free(entry.TableOffset, entry.TableEntries * 8L);
    }

    private void Free(ReadOnlySpan<ulong> table)
    {
        foreach (ulong word in table)
            if (Qcow2BitmapDirectory.IsValid(word, _geometry)) metadata.Free((long)(word & Qcow2Limits.L1OffsetMask), _geometry.ClusterBytes);
    }

    /// <summary>Gives back what was taken for something that came to nothing.</summary>
    internal void Abandon(List<Qcow2Range> taken)
    {
        foreach (Qcow2Range range in taken) metadata.Free(range.Offset, range.LengthBytes);
    }

    private async ValueTask<long> TakeAsync(long lengthBytes, OverlapKind kind, List<Qcow2Range> taken)
    {
        long offset = await metadata.AllocateAsync(lengthBytes, kind, "bitmap").ConfigureAwait(false);
        taken.Add(new(offset, lengthBytes));
        return offset;
    }

    private IAsyncEnumerable<ReadOnlyMemory<ulong>> ReadPartsAsync(Qcow2BitmapEntry entry)
    {
        if (entry.TableOffset + (entry.TableEntries * 8L) - metadata.File.LengthBytes >= _geometry.ClusterBytes) throw Unreadable(entry);
        return Qcow2TableReader.ReadPartsAsync(metadata.File, entry.TableOffset, entry.TableEntries, $"Could not read bitmap_table table from image for bitmap '{entry.Name}'", CancellationToken.None);
    }

    private static ImageException Unreadable(Qcow2BitmapEntry entry) => new($"Could not read bitmap_table table from image for bitmap '{entry.Name}'");
}
