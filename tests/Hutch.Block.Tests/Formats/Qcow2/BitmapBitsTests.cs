using System;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Bits in memory do what an array of them does.</summary>
public sealed class BitmapBitsTests
{
    private const int GranularityBits = 9;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4095 * 512 + 1, 2)]
    [InlineData(4096 * 512, 3)]
    [InlineData(1200000L * 512, 4)]
    public void They_are_those_of_an_array(long lengthBytes, int seed)
    {
        Random random = new(seed);
        BitmapMemory memory = new(64 << 20);
        using BitmapBits bits = new(lengthBytes, GranularityBits, memory);
        bool[] model = new bool[(lengthBytes + 511) / 512];
        for (int i = 0; i < 60; i++)
        {
            long offset = random.NextInt64(lengthBytes), length = random.NextInt64(1, Math.Min(lengthBytes - offset, random.Next(3) == 0 ? lengthBytes : 5000) + 1);
            bits.SetRange(offset, length);
            model.AsSpan((int)(offset >> 9), (int)(((offset + length - 1) >> 9) - (offset >> 9)) + 1).Fill(true);
            Check(model, bits);
            if (i % 20 != 19) continue;
            bits.Clear();
            Array.Clear(model);
            Check(model, bits);
        }
    }

    [Theory]
    [InlineData(512)]
    [InlineData(4096)]
    [InlineData(1 << 20)]
    public void What_is_stored_is_what_is_read(int clusterBytes)
    {
        const long LengthBytes = (700001L * 512) - 100;
        Random random = new(5);
        BitmapMemory memory = new(64 << 20);
        using BitmapBits bits = new(LengthBytes, GranularityBits, memory), read = new(LengthBytes, GranularityBits, memory);
        bool[] model = new bool[700001];
        for (int i = 0; i < 40; i++)
        {
            int first = random.Next(model.Length), count = Math.Min(model.Length - first, random.Next(1, i == 0 ? 400000 : 3000));
            bits.SetRange(first * 512L, Math.Min(count * 512L, LengthBytes - (first * 512L)));
            model.AsSpan(first, count).Fill(true);
        }
        model[^1] = true;
        bits.SetRange(LengthBytes - 1, 1);
        byte[] cluster = new byte[clusterBytes];
        for (long at = 0; at < BitmapBits.BytesFor(LengthBytes, GranularityBits); at += clusterBytes)
        {
            bits.CopyTo(at, cluster);
            for (int i = 0; i < clusterBytes * 8; i++)
            {
                long bit = (at * 8) + i;
                if ((bit < model.Length && model[bit]) != ((cluster[i >> 3] & (1 << (i & 7))) != 0)) Assert.Fail($"bit {bit}");
            }
            if (BitmapBits.IsUniform(cluster, out bool ones) && ones) read.FillBytes(at, clusterBytes);
            else read.CopyFrom(at, cluster);
        }
        Check(model, read);
    }

    [Fact]
    public void Without_memory_too_much_is_set_and_never_too_little()
    {
        const long LengthBytes = 1L << 33;
        // Places of the pages, and memory for one of them.
        using BitmapBits bits = new(LengthBytes, GranularityBits, new BitmapMemory((64 << 10) + (32 * 16)));
        bits.SetRange(0, 1);
        bits.SetRange(LengthBytes / 2, 1);
        Assert.Equal((true, 512), bits.RunAt(0));
        Assert.True(bits.RunAt(LengthBytes / 2).IsSet);
        Assert.Equal(64 << 10 << 3 << 9, bits.RunAt(LengthBytes / 2).LengthBytes);
    }

    [Fact]
    public void Bits_that_are_read_need_memory()
    {
        BitmapMemory memory = new(1000);
        using BitmapBits bits = new(1 << 24, GranularityBits, memory);
        Assert.Throws<BlockIoException>(() => bits.CopyFrom(0, [1]));
        Assert.Throws<BlockIoException>(() => new BitmapBits(1L << 40, GranularityBits, memory));
    }

    private static void Check(bool[] model, BitmapBits bits)
    {
        for (long at = 0; at < model.Length;)
        {
            long end = at;
            while (end < model.Length && model[end] == model[at]) end++;
            Assert.Equal((model[at], Math.Min(end * 512, bits.LengthBytes) - (at * 512)), bits.RunAt(at * 512));
            at = end;
        }
    }
}
