using System;
using System.Buffers.Binary;
using System.IO;
using System.Text;
using System.Threading;
using Hutch.Host.Time;

namespace Hutch.Net.Filters;

/// <summary>
/// A file of frames in the pcapng format (draft-ietf-opsawg-pcapng), as Wireshark and tcpdump read it: one section, one Ethernet interface, times in nanoseconds,
/// and for each frame whether the guest sent or received it. Any thread.
/// </summary>
internal sealed class CaptureFile : IDisposable
{
    private const uint SectionBlock = 0x0a0d_0d0a, ByteOrder = 0x1a2b_3c4d, InterfaceBlock = 1, PacketBlock = 6;
    private const ushort OptionEnd = 0, OptionName = 2, OptionFlags = 2, OptionTimeResolution = 9;
    private const byte Nanoseconds = 9;
    private const uint Received = 1, Sent = 2;
    private const int PacketHeader = 28, FlagsOption = 12;

    private readonly Lock _lock = new();
    private readonly Stream _file;
    private readonly IClock _clock;
    private readonly long _epoch;
    private readonly Action<string>? _failed;
    private readonly byte[] _block = new byte[PacketHeader + PacketOffload.LongestFrame + 3 + FlagsOption + 4];
    private bool _isBroken;

    /// <summary>Begins the file.</summary>
    /// <param name="file">Owned.</param>
    /// <param name="name">The interface's name in the file.</param>
    /// <param name="clock">Time of the frames.</param>
    /// <param name="failed">Told once, with a cause, when the file cannot be written any more; frames go on without it.</param>
    internal CaptureFile(Stream file, string name, IClock clock, Action<string>? failed = null)
    {
        (_file, _clock, _failed) = (file, clock, failed);
        // Frames are stamped by the monotonic clock, so that their distances are right whatever happens to the other.
        _epoch = ((clock.UtcNow - DateTimeOffset.UnixEpoch).Ticks * 100) - clock.MonotonicNanoseconds;
        WriteSection();
        WriteInterface(name);
        Flush();
    }

    /// <summary>Adds a frame, which is not longer than <see cref="PacketOffload.LongestFrame"/>.</summary>
    internal void Write(ReadOnlySpan<byte> frame, bool fromGuest)
    {
        lock (_lock)
        {
            ulong time = (ulong)(_epoch + _clock.MonotonicNanoseconds);
            int padded = (frame.Length + 3) & ~3, length = PacketHeader + padded + FlagsOption + 4;
            Span<byte> block = _block.AsSpan(0, length);
            Begin(block, PacketBlock);
            Put32(block[8..], 0);
            Put32(block[12..], (uint)(time >> 32));
            Put32(block[16..], (uint)time);
            Put32(block[20..], (uint)frame.Length);
            Put32(block[24..], (uint)frame.Length);
            frame.CopyTo(block[PacketHeader..]);
            block.Slice(PacketHeader + frame.Length, padded - frame.Length).Clear();
            Span<byte> option = block[(PacketHeader + padded)..];
            Put32(option, OptionFlags | (4u << 16));
            Put32(option[4..], fromGuest ? Sent : Received);
            Put32(option[8..], OptionEnd);
            End(block);
        }
    }

    /// <summary>Gives what was added to the file system.</summary>
    internal void Flush()
    {
        lock (_lock) Try(static file => file.Flush());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            Try(static file => file.Dispose());
            _isBroken = true;
        }
    }

    private void WriteSection()
    {
        Span<byte> block = stackalloc byte[28];
        Begin(block, SectionBlock);
        Put32(block[8..], ByteOrder);
        Put32(block[12..], 1);                                          // version 1.0
        BinaryPrimitives.WriteInt64LittleEndian(block[16..], -1);       // length not known
        End(block);
    }

    private void WriteInterface(string name)
    {
        byte[] text = Encoding.UTF8.GetBytes(name);
        int padded = (text.Length + 3) & ~3;
        Span<byte> block = new byte[16 + 4 + padded + 8 + 4 + 4];
        Begin(block, InterfaceBlock);
        Put32(block[8..], 1);                                           // LINKTYPE_ETHERNET
        Put32(block[12..], 0);                                          // frames are not cut
        Put32(block[16..], OptionName | ((uint)text.Length << 16));
        text.CopyTo(block[20..]);
        Put32(block[(20 + padded)..], OptionTimeResolution | (1u << 16));
        block[24 + padded] = Nanoseconds;
        End(block);
    }

    private static void Begin(Span<byte> block, uint type)
    {
        Put32(block, type);
        Put32(block[4..], (uint)block.Length);
    }

    private void End(Span<byte> block)
    {
        Put32(block[^4..], (uint)block.Length);
        if (_isBroken) return;
        try
        {
            _file.Write(block);
        }
        catch (IOException full)
        {
            Break(full);
        }
    }

    private void Try(Action<Stream> action)
    {
        if (_isBroken) return;
        try
        {
            action(_file);
        }
        catch (IOException full)
        {
            Break(full);
        }
    }

    private void Break(IOException cause)
    {
        _isBroken = true;
        _failed?.Invoke(cause.Message);
    }

    private static void Put32(Span<byte> destination, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(destination, value);
}
