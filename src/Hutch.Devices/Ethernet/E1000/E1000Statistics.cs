using System;
using Hutch.Core.State;
using static Hutch.Devices.Ethernet.E1000.E1000Registers;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>The counters of §13.7: those that can count here do; the others, of what goes wrong on a wire, stay 0. Reading a counter clears it. Under the card's lock.</summary>
internal sealed class E1000Statistics
{
    // Offsets from the first counter. Counters of bytes take two registers, of which the high one clears both.
    private const int Received64 = 0x5c, GoodReceived = 0x74, BroadcastReceived = 0x78, MulticastReceived = 0x7c, GoodSent = 0x80, GoodBytesReceived = 0x88, GoodBytesSent = 0x90;
    private const int NoBuffer = 0xa0, TooLong = 0xac, BytesReceived = 0xc0, BytesSent = 0xc8, TotalReceived = 0xd0, TotalSent = 0xd4, Sent64 = 0xd8, MulticastSent = 0xf0, BroadcastSent = 0xf4, Segmented = 0xf8;
    private const int CheckBytes = 4;

    private readonly uint[] _counters = new uint[(StatisticsEnd - StatisticsStart) / 4];

    /// <summary>Power-on state.</summary>
    internal void Reset() => Array.Clear(_counters);

    /// <summary>Reads and clears a counter.</summary>
    /// <param name="register">Offset in the card's registers.</param>
    internal uint Take(int register)
    {
        int index = (register - StatisticsStart) / 4;
        uint value = _counters[index];
        bool isLow = register - StatisticsStart is GoodBytesReceived or GoodBytesSent or BytesReceived or BytesSent;
        if (!isLow) _counters[index] = 0;
        if (register - StatisticsStart is GoodBytesReceived + 4 or GoodBytesSent + 4 or BytesReceived + 4 or BytesSent + 4) _counters[index - 1] = 0;
        return value;
    }

    /// <summary>A frame came that the driver got.</summary>
    internal void CountReceived(ReadOnlySpan<byte> frame)
    {
        Count(TotalReceived);
        Count(GoodReceived);
        AddBytes(BytesReceived, frame.Length + CheckBytes);
        AddBytes(GoodBytesReceived, frame.Length + CheckBytes);
        CountGroup(frame, MulticastReceived, BroadcastReceived);
        Count(SizeClass(Received64, frame.Length + CheckBytes));
    }

    /// <summary>A frame came that no buffer was there for.</summary>
    internal void CountNoBuffer() => Count(NoBuffer);

    /// <summary>A frame came that the driver does not take because it is too long.</summary>
    internal void CountTooLong() => Count(TooLong);

    /// <summary>A packet was sent, in some frames.</summary>
    internal void CountSent(ReadOnlySpan<byte> packet, int frames, long bytes, bool isSegmented)
    {
        if (frames == 0) return;
        long all = bytes + ((long)frames * CheckBytes);
        Count(TotalSent, (uint)frames);
        Count(GoodSent, (uint)frames);
        AddBytes(BytesSent, all);
        AddBytes(GoodBytesSent, all);
        CountGroup(packet, MulticastSent, BroadcastSent);
        Count(SizeClass(Sent64, (int)(all / frames)), (uint)frames);
        if (isSegmented) Count(Segmented);
    }

    /// <summary>Saves or restores the counters.</summary>
    internal void Exchange(StateFields fields) => fields.Numbers("counters", _counters);

    private void CountGroup(ReadOnlySpan<byte> frame, int multicast, int broadcast)
    {
        if ((frame[0] & 1) != 0) Count(frame[..6].ContainsAnyExcept((byte)0xff) ? multicast : broadcast);
    }

    // 64, up to 127, 255, 511, 1023, and more.
    private static int SizeClass(int first, int bytes) => first + (4 * (bytes switch { <= 64 => 0, < 128 => 1, < 256 => 2, < 512 => 3, < 1024 => 4, _ => 5 }));

    // Counters stay at their highest value until they are read.
    private void Count(int offset, uint by = 1)
    {
        ref uint counter = ref _counters[offset / 4];
        counter = by > uint.MaxValue - counter ? uint.MaxValue : counter + by;
    }

    private void AddBytes(int offset, long bytes)
    {
        ulong sum = (_counters[offset / 4] | (ulong)_counters[(offset / 4) + 1] << 32) + (ulong)bytes;
        (_counters[offset / 4], _counters[(offset / 4) + 1]) = ((uint)sum, (uint)(sum >> 32));
    }
}
