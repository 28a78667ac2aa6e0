using System;
using System.Buffers.Binary;
using System.IO;

namespace Hutch.Vmm.Display;

/// <summary>Sends to a client through a buffer. A client that does not read blocks its own thread alone, until the stream's time is up. Used by one thread.</summary>
internal sealed class RfbWriter(Stream stream)
{
    private readonly byte[] _buffer = new byte[64 * 1024];
    private Stream _stream = stream;
    private int _length;

    /// <summary>Goes on with another stream, in which the rest is encrypted.</summary>
    internal void ContinueWith(Stream stream)
    {
        Flush();
        _stream = stream;
    }

    /// <summary>8 bits.</summary>
    internal RfbWriter Byte(int value)
    {
        Room(1)[0] = (byte)value;
        return this;
    }

    /// <summary>16 bits.</summary>
    internal RfbWriter Word(int value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(Room(2), (ushort)value);
        return this;
    }

    /// <summary>32 bits.</summary>
    internal RfbWriter Long(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(Room(4), value);
        return this;
    }

    /// <summary>Bytes as they are.</summary>
    internal RfbWriter Bytes(ReadOnlySpan<byte> data)
    {
        while (data.Length != 0)
        {
            if (_length == _buffer.Length) Flush();
            int part = Math.Min(data.Length, _buffer.Length - _length);
            data[..part].CopyTo(_buffer.AsSpan(_length));
            _length += part;
            data = data[part..];
        }
        return this;
    }

    /// <summary>Room for so many bytes, up to 32 KiB, which the caller fills.</summary>
    internal Span<byte> Room(int count)
    {
        if (_buffer.Length - _length < count) Flush();
        _length += count;
        return _buffer.AsSpan(_length - count, count);
    }

    /// <summary>Sends what is in the buffer. Throws <see cref="IOException"/>.</summary>
    internal void Flush()
    {
        int length = _length;
        _length = 0;
        if (length != 0) _stream.Write(_buffer, 0, length);
    }
}
