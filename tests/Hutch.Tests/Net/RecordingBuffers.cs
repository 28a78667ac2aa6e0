using System;
using System.Collections.Generic;
using Hutch.Net;

namespace Hutch.Tests.Net;

/// <summary>A guest that takes frames into a list, or refuses them.</summary>
internal sealed class RecordingBuffers : INetBuffers
{
    internal List<byte[]> Frames { get; } = [];

    internal bool IsFull { get; set; }

    public bool TryDeliver(in PacketOffload offload, ReadOnlySpan<byte> frame)
    {
        if (IsFull) return false;
        Frames.Add(frame.ToArray());
        return true;
    }
}
