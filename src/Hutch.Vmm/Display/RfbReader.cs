using System;
using System.Buffers.Binary;
using System.IO;

namespace Hutch.Vmm.Display;

/// <summary>Takes what a client sends, number by number. Nothing that it says makes the buffer longer. Throws <see cref="EndOfStreamException"/> at the end of the stream.</summary>
internal sealed class RfbReader(Stream stream)
{
    private readonly byte[] _buffer = new byte[4096];
    private Stream _stream = stream;
    private int _first, _end;

    /// <summary>Goes on with another stream, in which the rest is encrypted. Throws <see cref="InvalidDataException"/> if the client has said more than it should have in the open.</summary>
    internal void ContinueWith(Stream stream)
    {
        if (_first != _end) throw new InvalidDataException("words before the encryption that should follow it");
        _stream = stream;
    }

    /// <summary>The next bytes, valid until the next call; no more than 64.</summary>
    internal ReadOnlySpan<byte> Take(int count)
    {
        while (_end - _first < count) Fill();
        ReadOnlySpan<byte> taken = _buffer.AsSpan(_first, count);
        _first += count;
        return taken;
    }

    /// <summary>Steps over bytes.</summary>
    internal void Skip(int count)
    {
        while (count > 0)
        {
            if (_first == _end) Fill();
            int part = Math.Min(count, _end - _first);
            _first += part;
            count -= part;
        }
    }

    /// <summary>8 bits.</summary>
    internal byte Byte() => Take(1)[0];

    /// <summary>16 bits.</summary>
    internal ushort Word() => BinaryPrimitives.ReadUInt16BigEndian(Take(2));

    /// <summary>32 bits.</summary>
    internal uint Long() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    private void Fill()
    {
        if (_first != 0)
        {
            _buffer.AsSpan(_first, _end - _first).CopyTo(_buffer);
            (_first, _end) = (0, _end - _first);
        }
        int count = _stream.Read(_buffer, _end, _buffer.Length - _end);
        if (count == 0) throw new EndOfStreamException();
        _end += count;
    }
}
