using System;
using System.Buffers.Binary;
using System.Text;

namespace Hutch.Daemon.Libvirt.Xdr;

/// <summary>
/// Reads XDR (RFC 4506) from bytes of a peer. Every length is held against the protocol's most and against what is left, before anything is allocated. Padding may
/// hold anything, and what follows the last field is not looked at: clients of other libraries differ in both. Throws <see cref="XdrException"/>.
/// </summary>
internal ref struct XdrReader(ReadOnlySpan<byte> data)
{
    /// <summary>The longest string in bytes (libvirt: REMOTE_STRING_MAX).</summary>
    internal const int LongestString = 4 * 1024 * 1024;

    private ReadOnlySpan<byte> _rest = data;

    internal int ReadInt32() => BinaryPrimitives.ReadInt32BigEndian(Take(4));

    internal uint ReadUInt32() => BinaryPrimitives.ReadUInt32BigEndian(Take(4));

    internal long ReadInt64() => BinaryPrimitives.ReadInt64BigEndian(Take(8));

    internal ulong ReadUInt64() => BinaryPrimitives.ReadUInt64BigEndian(Take(8));

    internal double ReadDouble() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    /// <summary>A byte of an array of C's char: each has four bytes.</summary>
    internal byte ReadChar() => (byte)ReadUInt32();

    internal Guid ReadUuid() => new(Take(16), bigEndian: true);

    internal string ReadString()
    {
        ReadOnlySpan<byte> bytes = TakeCounted(LongestString);
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new XdrException("A string is not UTF-8.");
        }
    }

    /// <summary>Any word but zero says that the value is there: one client library sends 01000000h.</summary>
    internal string? ReadOptionalString() => ReadUInt32() != 0 ? ReadString() : null;

    internal T? ReadOptional<T>()
        where T : struct, IXdr<T> => ReadUInt32() != 0 ? T.Read(ref this) : null;

    /// <summary>Opaque data (RFC 4506 §4.10).</summary>
    /// <param name="most">The most bytes it may have.</param>
    internal byte[] ReadBytes(int most) => TakeCounted(most).ToArray();

    internal T[] ReadArray<T>(int most)
        where T : struct, IXdr<T>
    {
        T[] items = new T[ReadCount(most)];
        for (int index = 0; index < items.Length; index++) items[index] = T.Read(ref this);
        return items;
    }

    internal string[] ReadStringArray(int most)
    {
        string[] items = new string[ReadCount(most)];
        for (int index = 0; index < items.Length; index++) items[index] = ReadString();
        return items;
    }

    internal int[] ReadInt32Array(int most)
    {
        int[] items = new int[ReadCount(most)];
        for (int index = 0; index < items.Length; index++) items[index] = ReadInt32();
        return items;
    }

    internal uint[] ReadUInt32Array(int most)
    {
        uint[] items = new uint[ReadCount(most)];
        for (int index = 0; index < items.Length; index++) items[index] = ReadUInt32();
        return items;
    }

    internal ulong[] ReadUInt64Array(int most)
    {
        ulong[] items = new ulong[ReadCount(most)];
        for (int index = 0; index < items.Length; index++) items[index] = ReadUInt64();
        return items;
    }

    internal byte[] ReadCharArray(int most) => ReadCharRow(ReadCount(most));

    /// <summary>An array without a count.</summary>
    internal byte[] ReadCharRow(int exactly)
    {
        byte[] items = new byte[exactly];
        for (int index = 0; index < items.Length; index++) items[index] = ReadChar();
        return items;
    }

    private static UTF8Encoding Strict { get; } = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    // Every element has four bytes at least, so that a count cannot make us allocate more than a small multiple of what was sent.
    private int ReadCount(int most)
    {
        uint count = ReadUInt32();
        if (count > (uint)most) throw new XdrException($"An array has {count} elements; it may have {most}.");
        if (count > _rest.Length / 4) throw new XdrException($"An array of {count} elements is cut short.");
        return (int)count;
    }

    private ReadOnlySpan<byte> TakeCounted(int most)
    {
        uint length = ReadUInt32();
        if (length > (uint)most) throw new XdrException($"A string or opaque value has {length} bytes; it may have {most}.");
        ReadOnlySpan<byte> bytes = Take((int)length);
        Take(Math.Min(-(int)length & 3, _rest.Length));
        return bytes;
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _rest.Length) throw new XdrException($"The message is cut short: {count} bytes are wanted and {_rest.Length} are left.");
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }
}
