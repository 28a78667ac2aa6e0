using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Text;
using Hutch.Host.Time;
using Hutch.Net.Filters;
using Xunit;

namespace Hutch.Tests.Net.Filters;

public sealed class CaptureFileTests
{
    private sealed class Clock : IClock
    {
        public long MonotonicNanoseconds { get; set; } = 5_000;

        public DateTimeOffset UtcNow { get; } = new(2020, 1, 1, 0, 0, 0, TimeSpan.Zero);
    }

    private static uint Word(byte[] file, int at) => BinaryPrimitives.ReadUInt32LittleEndian(file.AsSpan(at));

    [Fact]
    public void The_file_is_what_its_format_says()
    {
        Clock clock = new();
        MemoryStream stream = new();
        using (CaptureFile file = new(stream, "net", clock))
        {
            file.Write([1, 2, 3, 4, 5], fromGuest: true);
            clock.MonotonicNanoseconds += 1_234_567_891;
            file.Write(new byte[60], fromGuest: false);
        }
        byte[] bytes = stream.ToArray();
        // Section header: type, length, byte order, version 1.0, length of the section not known.
        Assert.Equal([0x0a0d0d0au, 28, 0x1a2b3c4d, 1, uint.MaxValue, uint.MaxValue, 28], Enumerable.Range(0, 7).Select(i => Word(bytes, 4 * i)));
        // Interface: Ethernet, name, resolution 10^-9.
        Assert.Equal([1u, 40, 1, 0], Enumerable.Range(0, 4).Select(i => Word(bytes, 28 + (4 * i))));
        Assert.Equal((2u | 3 << 16, "net"), (Word(bytes, 44), Encoding.ASCII.GetString(bytes, 48, 3)));
        Assert.Equal((9u | 1 << 16, (byte)9, 0u), (Word(bytes, 52), bytes[56], Word(bytes, 60)));
    }

    [Fact]
    public void Every_block_can_be_stepped_over_and_times_go_on()
    {
        Clock clock = new();
        MemoryStream stream = new();
        using (CaptureFile file = new(stream, "a longer name", clock))
        {
            for (int length = 14; length < 100; length++)
            {
                clock.MonotonicNanoseconds += 1000;
                file.Write(Enumerable.Repeat((byte)length, length).ToArray(), fromGuest: length % 2 == 0);
            }
        }
        byte[] bytes = stream.ToArray();
        int at = 0, expected = 14;
        ulong last = (ulong)new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds() * 1_000_000_000;
        for (int block = 0; at < bytes.Length; block++)
        {
            int length = (int)Word(bytes, at + 4);
            Assert.Equal((0, (uint)length), (length % 4, Word(bytes, at + length - 4)));
            if (block >= 2)
            {
                Assert.Equal((6u, (uint)expected, (uint)expected), (Word(bytes, at), Word(bytes, at + 20), Word(bytes, at + 24)));
                ulong time = ((ulong)Word(bytes, at + 12) << 32) | Word(bytes, at + 16);
                Assert.Equal(last += 1000, time);
                Assert.All(bytes[(at + 28)..(at + 28 + expected)], value => Assert.Equal(expected, value));
                int option = at + 28 + ((expected + 3) & ~3);
                Assert.Equal((2u | 4 << 16, expected % 2 == 0 ? 2u : 1u), (Word(bytes, option), Word(bytes, option + 4)));
                expected++;
            }
            at += length;
        }
        Assert.Equal((bytes.Length, 100), (at, expected));
    }

    [Fact]
    public void A_full_disk_ends_the_file_and_nothing_else()
    {
        string? cause = null;
        FullStream stream = new();
        using CaptureFile file = new(stream, "net", new Clock(), text => cause += text);
        stream.IsFull = true;
        file.Write(new byte[60], fromGuest: true);
        file.Write(new byte[60], fromGuest: true);
        file.Flush();
        Assert.Equal("full", cause);
    }

    private sealed class FullStream : MemoryStream
    {
        internal bool IsFull { get; set; }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (IsFull) throw new IOException("full");
            base.Write(buffer);
        }
    }
}
