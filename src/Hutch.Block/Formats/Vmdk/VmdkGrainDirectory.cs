using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>A grain directory in memory: where each grain table lies, in sectors; 0 for none.</summary>
internal static class VmdkGrainDirectory
{
    private const int ChunkBytes = 64 * 1024;

    /// <summary>Reads one. Throws <see cref="ImageException"/> where it, or a table, is not in the file.</summary>
    internal static async ValueTask<uint[]> ReadAsync(BlockNode file, long offset, int count, int tableBytes, CancellationToken cancellation)
    {
        if (offset <= 0 || offset > file.LengthBytes - (count * 4L)) throw new ImageException($"Could not read l1 table from extent '{file.Filename}'");
        uint[] tables = new uint[count];
        byte[] chunk = new byte[Math.Min(ChunkBytes, Math.Max(4, count * 4))];
        for (int done = 0; done < count;)
        {
            int part = Math.Min(count - done, chunk.Length / 4);
            await file.ReadBytesAsync(offset + (done * 4L), chunk.AsMemory(0, part * 4), cancellation).ConfigureAwait(false);
            for (int i = 0; i < part; i++)
            {
                uint table = BinaryPrimitives.ReadUInt32LittleEndian(chunk.AsSpan(i * 4));
                if (table != 0 && table * 512L > file.LengthBytes - tableBytes) throw new ImageException($"Grain table {done + i} of extent '{file.Filename}' is outside the file");
                tables[done + i] = table;
            }
            done += part;
        }
        return tables;
    }
}
