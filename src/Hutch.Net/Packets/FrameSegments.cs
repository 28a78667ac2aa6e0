using System;
using Hutch.Host.Files;

namespace Hutch.Net.Packets;

/// <summary>A frame in pieces, as a guest hands it over.</summary>
internal static class FrameSegments
{
    /// <summary>Bytes of all of it.</summary>
    internal static long LengthOf(ReadOnlySpan<IoSegment> frame)
    {
        long length = 0;
        foreach (IoSegment segment in frame) length += segment.LengthBytes;
        return length;
    }

    /// <summary>Copies it, as much as there is room for, so that the guest cannot change it any more; returns how much that was.</summary>
    internal static int Gather(ReadOnlySpan<IoSegment> frame, Span<byte> destination)
    {
        int length = 0;
        foreach (IoSegment segment in frame) length += segment.CopyTo(destination[length..]);
        return length;
    }

    /// <summary>Copies it and completes the checksum that the guest left open.</summary>
    internal static int Gather(ReadOnlySpan<IoSegment> frame, in PacketOffload offload, Span<byte> destination)
    {
        int length = Gather(frame, destination);
        if ((offload.Flags & PacketOffload.NeedsChecksum) != 0) InternetChecksum.Complete(destination[..length], offload);
        return length;
    }
}
