using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>
/// The log of a VHDX file: changes of metadata that a writer may not have brought to their places (MS-VHDX §2.3). It is applied before anything else is looked
/// at. We write none: our changes of the block table are single words in an order that is right at any moment.
/// </summary>
internal sealed class VhdxLog
{
    // A writer's log holds its length once; entries laid over each other to waste a reader's time add up to more.
    private const long MaxReadTimes = 4;
    private const int ChunkBytes = 1 << 20;
    private const ulong MaxFileBytes = 1UL << 48;

    private readonly BlockNode _file;
    private readonly VhdxRegion _region;
    private readonly Guid _id;
    private byte[] _chunk = [];
    private long _chunkOffset = -1;
    private long _read;

    private VhdxLog(BlockNode file, VhdxRegion region, Guid id)
    {
        _file = file;
        _region = region;
        _id = id;
    }

    /// <summary>Applies what the log has, durably. Throws <see cref="ImageException"/> where the log is damaged or the file was cut off.</summary>
    internal static async ValueTask ReplayAsync(BlockNode file, VhdxHeader header, CancellationToken cancellation)
    {
        if (header.LogBytes == 0) throw new ImageException("VHDX log is needed and not there");
        VhdxLog log = new(file, VhdxRegions.Check(header.LogOffset, header.LogBytes, file.LengthBytes), header.LogId);
        List<VhdxLogEntry> entries = await log.FindActiveAsync(cancellation).ConfigureAwait(false);
        if (entries.Count == 0) throw new ImageException("VHDX log is damaged: it has no complete sequence");
        VhdxLogEntry head = entries[^1];
        if (head.FlushedFileBytes > (ulong)file.LengthBytes) throw new ImageException($"VHDX file has been cut off: it has {file.LengthBytes} bytes and had {head.FlushedFileBytes}");
        if (head.LastFileBytes > MaxFileBytes) throw new ImageException("VHDX log is damaged: it makes the file too long");
        foreach (VhdxLogEntry entry in entries) await log.ApplyAsync(entry, Math.Max(head.LastFileBytes, (ulong)file.LengthBytes), cancellation).ConfigureAwait(false);
        if ((ulong)file.LengthBytes < head.LastFileBytes) await file.ResizeAsync((long)head.LastFileBytes, Preallocation.Off, cancellation).ConfigureAwait(false);
        await file.FlushAsync(cancellation).ConfigureAwait(false);
    }

    // MS-VHDX §2.3.3: the newest sequence of entries that follow each other and whose last one points back into it; from where it points to.
    private async ValueTask<List<VhdxLogEntry>> FindActiveAsync(CancellationToken cancellation)
    {
        List<VhdxLogEntry> best = [];
        uint length = (uint)_region.LengthBytes, tail = 0;
        while (true)
        {
            List<VhdxLogEntry> current = await ReadSequenceAsync(tail, cancellation).ConfigureAwait(false);
            int first = current.Count == 0 ? -1 : current.FindIndex(entry => entry.Offset == current[^1].Tail);
            if (first >= 0 && (best.Count == 0 || current[^1].Sequence > best[^1].Sequence)) best = current[first..];
            ulong next = first < 0 ? tail + (ulong)VhdxLogEntry.SectorBytes : current[^1].Offset + (ulong)current[^1].LengthBytes;
            uint wrapped = (uint)(next % length);
            if (wrapped <= tail) return best;
            tail = wrapped;
        }
    }

    private async ValueTask<List<VhdxLogEntry>> ReadSequenceAsync(uint start, CancellationToken cancellation)
    {
        List<VhdxLogEntry> entries = [];
        uint at = start;
        for (long total = 0; total < _region.LengthBytes;)
        {
            VhdxLogEntry? entry = await ReadEntryAsync(at, cancellation).ConfigureAwait(false);
            if (entry is null || (entries.Count != 0 && entry.Sequence != entries[^1].Sequence + 1)) break;
            total += entry.LengthBytes;
            if (total > _region.LengthBytes) break;
            entries.Add(entry);
            at = (uint)((at + (ulong)entry.LengthBytes) % (ulong)_region.LengthBytes);
        }
        return entries;
    }

    private async ValueTask<VhdxLogEntry?> ReadEntryAsync(uint offset, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        // Most sectors begin no entry: they are looked through a large piece at a time.
        long chunk = offset / ChunkBytes * (long)ChunkBytes;
        if (chunk != _chunkOffset)
        {
            _chunk = new byte[Math.Min(ChunkBytes, _region.LengthBytes - chunk)];
            await _file.ReadBytesAsync(_region.Offset + chunk, _chunk, cancellation).ConfigureAwait(false);
            _chunkOffset = chunk;
        }
        int length = VhdxLogEntry.PeekLength(_chunk.AsSpan((int)(offset - chunk), VhdxLogEntry.SectorBytes), (uint)_region.LengthBytes);
        if (length == 0) return null;
        _read += length;
        if (_read > MaxReadTimes * _region.LengthBytes) throw new ImageException("VHDX log is damaged: its entries overlap");
        byte[] bytes = new byte[length];
        int first = (int)Math.Min(length, _region.LengthBytes - offset);
        await _file.ReadBytesAsync(_region.Offset + offset, bytes.AsMemory(0, first), cancellation).ConfigureAwait(false);
        await _file.ReadBytesAsync(_region.Offset, bytes.AsMemory(first), cancellation).ConfigureAwait(false);
        return VhdxLogEntry.Parse(bytes, offset, _id);
    }

    private async ValueTask ApplyAsync(VhdxLogEntry entry, ulong fileBytes, CancellationToken cancellation)
    {
        int data = 0;
        for (int i = 0; i < entry.Descriptors; i++)
        {
            (ulong offset, ulong length, bool isZero) = entry.Target(i);
            if (length > fileBytes || offset > fileBytes - length) throw new ImageException($"VHDX log is damaged: it writes {length} bytes at {offset}, outside the file");
            if (isZero) await _file.WriteZeroesAsync((long)offset, (long)length, WriteFlags.None, cancellation).ConfigureAwait(false);
            else await _file.WriteBytesAsync((long)offset, entry.Sector(i, data++), WriteFlags.None, cancellation).ConfigureAwait(false);
        }
    }
}
