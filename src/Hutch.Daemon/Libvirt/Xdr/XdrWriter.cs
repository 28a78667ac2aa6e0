using System;
using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Hutch.Daemon.Libvirt.Xdr;

/// <summary>Appends XDR (RFC 4506) to a buffer that grows. One thread.</summary>
internal sealed class XdrWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(256);

    /// <summary>What was written so far; valid until more is.</summary>
    internal ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

    internal void WriteInt32(int value) => BinaryPrimitives.WriteInt32BigEndian(Room(4), value);

    internal void WriteUInt32(uint value) => BinaryPrimitives.WriteUInt32BigEndian(Room(4), value);

    internal void WriteInt64(long value) => BinaryPrimitives.WriteInt64BigEndian(Room(8), value);

    internal void WriteUInt64(ulong value) => BinaryPrimitives.WriteUInt64BigEndian(Room(8), value);

    internal void WriteDouble(double value) => BinaryPrimitives.WriteDoubleBigEndian(Room(8), value);

    internal void WriteChar(byte value) => WriteUInt32(value);

    internal void WriteUuid(Guid value) => value.TryWriteBytes(Room(16), bigEndian: true, out _);

    internal void WriteString(string value)
    {
        int length = Encoding.UTF8.GetByteCount(value);
        WriteInt32(length);
        Encoding.UTF8.GetBytes(value, Room(length));
        Pad(length);
    }

    internal void WriteOptionalString(string? value)
    {
        WriteUInt32(value is null ? 0u : 1u);
        if (value is not null) WriteString(value);
    }

    internal void WriteOptional<T>(T? value)
        where T : struct, IXdr<T>
    {
        WriteUInt32(value is null ? 0u : 1u);
        value?.Write(this);
    }

    internal void WriteBytes(ReadOnlySpan<byte> value)
    {
        WriteInt32(value.Length);
        WriteRaw(value);
        Pad(value.Length);
    }

    /// <summary>Appends bytes as they are, without a length.</summary>
    internal void WriteRaw(ReadOnlySpan<byte> value) => value.CopyTo(Room(value.Length));

    internal void WriteArray<T>(T[] items)
        where T : struct, IXdr<T>
    {
        WriteInt32(items.Length);
        foreach (T item in items) item.Write(this);
    }

    internal void WriteStringArray(string[] items)
    {
        WriteInt32(items.Length);
        foreach (string item in items) WriteString(item);
    }

    internal void WriteInt32Array(int[] items)
    {
        WriteInt32(items.Length);
        foreach (int item in items) WriteInt32(item);
    }

    internal void WriteUInt32Array(uint[] items)
    {
        WriteInt32(items.Length);
        foreach (uint item in items) WriteUInt32(item);
    }

    internal void WriteUInt64Array(ulong[] items)
    {
        WriteInt32(items.Length);
        foreach (ulong item in items) WriteUInt64(item);
    }

    internal void WriteCharArray(byte[] items)
    {
        WriteInt32(items.Length);
        WriteCharRow(items, items.Length);
    }

    /// <summary>An array of exactly so many: zeros follow what is shorter, and what is longer is cut.</summary>
    internal void WriteCharRow(byte[] items, int exactly)
    {
        for (int index = 0; index < exactly; index++) WriteChar(index < items.Length ? items[index] : (byte)0);
    }

    private void Pad(int length) => Room(-length & 3).Clear();

    private Span<byte> Room(int count)
    {
        Span<byte> room = _buffer.GetSpan(count)[..count];
        _buffer.Advance(count);
        return room;
    }
}
