using System;
using System.Buffers.Binary;

namespace Hutch.Net.Packets;

/// <summary>Frames that wait for room in the guest, the oldest first. Its memory is made when the first one waits, and stays.</summary>
/// <param name="mostBytes">How much may wait; what comes when it is full is dropped, as on a wire.</param>
internal sealed class FrameBacklog(int mostBytes)
{
    private const int LengthBytes = 4;

    private byte[] _bytes = [];
    private int _first, _end;

    /// <summary>Nothing waits.</summary>
    internal bool IsEmpty => _first == _end;

    /// <summary>So much waits that no more should be asked for.</summary>
    internal bool IsHalfFull => _end - _first >= mostBytes / 2;

    /// <summary>Frames that found no room here.</summary>
    internal long Dropped { get; private set; }

    /// <summary>Adds one, if it fits.</summary>
    internal void Add(ReadOnlySpan<byte> frame)
    {
        int needed = LengthBytes + frame.Length;
        if (_end - _first + needed > mostBytes)
        {
            Dropped++;
            return;
        }
        if (_bytes.Length == 0) _bytes = new byte[mostBytes];
        if (_end + needed > mostBytes)
        {
            _bytes.AsSpan(_first, _end - _first).CopyTo(_bytes);
            (_first, _end) = (0, _end - _first);
        }
        BinaryPrimitives.WriteInt32LittleEndian(_bytes.AsSpan(_end), frame.Length);
        frame.CopyTo(_bytes.AsSpan(_end + LengthBytes));
        _end += needed;
    }

    /// <summary>Gives as many to the guest as it takes. True: none is left.</summary>
    internal bool Deliver(INetBuffers buffers, in PacketOffload offload)
    {
        while (_first != _end)
        {
            int length = BinaryPrimitives.ReadInt32LittleEndian(_bytes.AsSpan(_first));
            if (!buffers.TryDeliver(offload, _bytes.AsSpan(_first + LengthBytes, length))) return false;
            _first += LengthBytes + length;
        }
        _first = _end = 0;
        return true;
    }
}
