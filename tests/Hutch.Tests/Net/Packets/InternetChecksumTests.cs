using System;
using Hutch.Net;
using Hutch.Net.Packets;
using Xunit;

namespace Hutch.Tests.Net.Packets;

public sealed class InternetChecksumTests
{
    // RFC 1071 §1: the sum of 16-bit words with the carries added again, and its complement.
    private static ushort Slow(ReadOnlySpan<byte> data)
    {
        uint sum = 0;
        for (int i = 0; i < data.Length; i++)
        {
            sum += i % 2 == 0 ? data[i] : (uint)data[i] << 8;
            sum = (sum & 0xffff) + (sum >> 16);
        }
        return (ushort)~sum;
    }

    [Fact]
    public void It_is_that_of_the_definition_for_every_length()
    {
        Random random = new(5);
        for (int length = 0; length < 300; length++)
        {
            byte[] data = new byte[length];
            random.NextBytes(data);
            Assert.Equal(Slow(data), InternetChecksum.Of(data));
        }
        byte[] long1 = new byte[65553];
        Array.Fill(long1, (byte)0xff);
        Assert.Equal(Slow(long1), InternetChecksum.Of(long1));
    }

    [Fact]
    public void A_completed_frame_sums_to_nothing_with_its_pseudo_header_and_never_has_zero_for_its_checksum()
    {
        Random random = new(6);
        for (int round = 0; round < 2000; round++)
        {
            byte[] frame = new byte[random.Next(60, 200)];
            if (round % 10 != 0) random.NextBytes(frame);
            int pseudoHeader = frame[50] | (frame[51] << 8);
            InternetChecksum.Complete(frame, new PacketOffload(PacketOffload.NeedsChecksum, 0, 0, 0, 34, 16));
            // With the pseudo header, whose sum was in the field, everything sums to nothing; 0 and 0xffff are one number.
            Assert.Equal(pseudoHeader % 0xffff, InternetChecksum.Of(frame.AsSpan(34)) % 0xffff);
            Assert.False(frame[50] == 0 && frame[51] == 0);
        }
    }
}
