using System;
using System.Buffers.Binary;
using System.IO;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Host.Files;
using Hutch.Host.Linux;

namespace Hutch.Vmm.Snapshot;

/// <summary>Writes a state file: the old content of its path, if there is any, stays until the new one is whole and durable.</summary>
internal sealed class StateFileWriter(StateSections sections, GuestMemory memory)
{
    private readonly byte[] _chunk = new byte[StateFileLayout.ChunkBytes];

    /// <summary>
    /// Writes the file. False when <paramref name="goOn"/> said so, and then nothing has changed. Throws <see cref="StateException"/> with a sentence.
    /// </summary>
    /// <param name="path">Where to.</param>
    /// <param name="goOn">Told how many bytes of RAM are done; false cancels.</param>
    internal bool Write(string path, Func<long, bool> goOn)
    {
        try
        {
            using ReplacementFile replacement = ReplacementFile.Create(path);
            if (!WriteContent(replacement.File, goOn)) return false;
            replacement.Commit();
            return true;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new StateException($"The state cannot be saved to {path} ({refused.Message.TrimEnd('.')}); free space there or name another file.", refused);
        }
    }

    private bool WriteContent(DiskFile file, Func<long, bool> goOn)
    {
        byte[] body = sections.ToBytes();
        StateFileHeader header = new(body.Length, StateFileLayout.Checksum(body), (long)memory.LengthBytes, IndexChecksum: 0);
        byte[] index = new byte[header.IndexBytes];
        file.SetLength(header.RamOffset + header.RamBytes);
        for (long chunk = 0; chunk < header.Chunks; chunk++)
        {
            long start = chunk * StateFileLayout.ChunkBytes;
            if (!goOn(start)) return false;
            Span<byte> bytes = _chunk.AsSpan(0, (int)Math.Min(StateFileLayout.ChunkBytes, header.RamBytes - start));
            memory.CopyOut((ulong)start, bytes);
            uint sum = WritePages(file, header.RamOffset + start, bytes, index, start / StateFileLayout.PageBytes);
            BinaryPrimitives.WriteUInt32LittleEndian(index.AsSpan((int)(header.BitmapBytes + (chunk * sizeof(uint)))), sum);
        }
        file.Write(StateFileLayout.HeaderBytes, body);
        file.Write(header.IndexOffset, index);
        file.Write(0, (header with { IndexChecksum = StateFileLayout.Checksum(index) }).ToBytes());
        return true;
    }

    // Writes the pages that hold something, neighbours together, and marks them. Returns their checksum.
    private static uint WritePages(DiskFile file, long offset, ReadOnlySpan<byte> bytes, byte[] bitmap, long firstPage)
    {
        uint sum = 0;
        int first = -1;
        for (int at = 0; at <= bytes.Length; at += StateFileLayout.PageBytes)
        {
            bool used = at < bytes.Length && bytes.Slice(at, StateFileLayout.PageBytes).ContainsAnyExcept((byte)0);
            if (used)
            {
                long page = firstPage + (at / StateFileLayout.PageBytes);
                bitmap[page / 8] |= (byte)(1 << (int)(page % 8));
                if (first < 0) first = at;
            }
            else if (first >= 0)
            {
                ReadOnlySpan<byte> run = bytes[first..at];
                sum = StateFileLayout.Checksum(run, sum);
                file.Write(offset + first, run);
                first = -1;
            }
        }
        return sum;
    }
}
