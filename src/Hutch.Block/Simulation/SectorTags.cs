using System;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Simulation;

/// <summary>Sectors that say which write they are of: each is filled with one little-endian number of 32 bits, the write's tag. Zero is a sector of zeros.</summary>
internal static class SectorTags
{
    /// <summary>Bytes of a sector.</summary>
    internal const int SectorBytes = 512;

    /// <summary>A sector that has no single tag.</summary>
    internal const int Mixed = int.MinValue;

    /// <summary>The bytes of sectors with these tags.</summary>
    internal static byte[] ToBytes(ReadOnlySpan<int> tags)
    {
        byte[] bytes = new byte[tags.Length * SectorBytes];
        for (int i = 0; i < tags.Length; i++) MemoryMarshal.Cast<byte, int>(bytes.AsSpan(i * SectorBytes, SectorBytes)).Fill(tags[i]);
        return bytes;
    }

    /// <summary>The tags of sectors, <see cref="Mixed"/> where a sector has none.</summary>
    internal static int[] Of(ReadOnlySpan<byte> bytes)
    {
        int[] tags = new int[bytes.Length / SectorBytes];
        for (int i = 0; i < tags.Length; i++)
        {
            ReadOnlySpan<int> words = MemoryMarshal.Cast<byte, int>(bytes.Slice(i * SectorBytes, SectorBytes));
            tags[i] = words.ContainsAnyExcept(words[0]) ? Mixed : words[0];
        }
        return tags;
    }

    /// <summary>Reads the tags of <paramref name="count"/> sectors from <paramref name="first"/> on.</summary>
    internal static async Task<int[]> ReadAsync(BlockNode node, int first, int count)
    {
        byte[] bytes = new byte[count * SectorBytes];
        await node.ReadBytesAsync((long)first * SectorBytes, bytes, CancellationToken.None).ConfigureAwait(false);
        return Of(bytes);
    }
}
