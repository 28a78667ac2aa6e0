using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Reads tables of big-endian words.</summary>
internal static class Qcow2TableReader
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Checks and reads a snapshot's L1 table. Throws <see cref="ImageException"/>.</summary>
    internal static ValueTask<ulong[]> ReadSnapshotL1Async(BlockNode file, Qcow2Header header, Qcow2Snapshot snapshot, CancellationToken cancellation)
    {
        Qcow2HeaderReader.CheckTable("Snapshot L1 table", header, snapshot.L1Offset, (long)snapshot.L1Entries * 8, Qcow2Limits.MaxL1Bytes);
        return ReadAsync(file, snapshot.L1Offset, snapshot.L1Entries, "Could not read snapshot L1 table", cancellation);
    }

    /// <summary>Reads a table whose length was checked. Throws <see cref="ImageException"/> with <paramref name="failure"/> where storage fails.</summary>
    internal static async ValueTask<ulong[]> ReadAsync(BlockNode file, long offset, long entries, string failure, CancellationToken cancellation)
    {
        ulong[] table = new ulong[entries];
        int done = 0;
        await foreach (ReadOnlyMemory<ulong> part in ReadPartsAsync(file, offset, entries, failure, cancellation).ConfigureAwait(false))
        {
            part.CopyTo(table.AsMemory(done));
            done += part.Length;
        }
        return table;
    }

    /// <summary>
    /// Reads a table part by part, for one whose length an image may claim at will. A part is valid until the next. Throws <see cref="ImageException"/> with
    /// <paramref name="failure"/> where storage fails, and for a place that no file has.
    /// </summary>
    internal static async IAsyncEnumerable<ReadOnlyMemory<ulong>> ReadPartsAsync(BlockNode file, long offset, long entries, string failure,
        [EnumeratorCancellation] CancellationToken cancellation)
    {
        if (offset < 0 || offset > long.MaxValue - (entries * 8)) throw new ImageException(failure) { Errno = BlockIoException.Eio };
        byte[] chunk = new byte[(int)Math.Min(entries * 8, ChunkBytes)];
        ulong[] words = new ulong[chunk.Length / 8];
        for (long done = 0; done < entries * 8; done += chunk.Length)
        {
            int length = (int)Math.Min(chunk.Length, (entries * 8) - done);
            try
            {
                await file.ReadBytesAsync(offset + done, chunk.AsMemory(0, length), cancellation).ConfigureAwait(false);
            }
            catch (BlockIoException e)
            {
                throw new ImageException(failure, e);
            }
            for (int i = 0; i < length; i += 8) words[i / 8] = BinaryPrimitives.ReadUInt64BigEndian(chunk.AsSpan(i));
            yield return words.AsMemory(0, length / 8);
        }
    }
}
