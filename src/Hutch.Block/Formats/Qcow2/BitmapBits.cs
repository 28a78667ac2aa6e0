using System;
using System.Numerics;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// The bits of a bitmap, in native memory by pages; a page whose bits are all alike takes none. Where memory runs out while bits are set, a page becomes all
/// ones: too much is copied then, never too little. Under the owner's lock.
/// </summary>
internal sealed class BitmapBits : IDisposable
{
    private const int MinPageBytes = 512, MaxPageBytes = 64 * 1024, PlaceBytes = 16;

    private readonly BitmapMemory _memory;
    private readonly NativeBuffer?[] _pages;
    private readonly bool[] _isOnes;
    private readonly int _granularityBits, _pageBits;

    /// <summary>Makes bits that are all clear. Throws <see cref="Graph.BlockIoException"/> where memory does not reach.</summary>
    internal BitmapBits(long lengthBytes, int granularityBits, BitmapMemory memory)
    {
        (LengthBytes, _granularityBits, _memory) = (lengthBytes, granularityBits, memory);
        Count = CountFor(lengthBytes, granularityBits);
        int pageBytes = (int)Math.Clamp(BitOperations.RoundUpToPowerOf2((ulong)BytesFor(lengthBytes, granularityBits)), MinPageBytes, MaxPageBytes);
        _pageBits = BitOperations.Log2((uint)pageBytes) + 3;
        int pages = (int)((Count + (1L << _pageBits) - 1) >> _pageBits);
        memory.Take((long)pages * PlaceBytes);
        (_pages, _isOnes) = (new NativeBuffer?[pages], new bool[pages]);
    }

    /// <summary>Length of the disk in bytes.</summary>
    internal long LengthBytes { get; }

    /// <summary>Number of bits.</summary>
    internal long Count { get; }

    private int PageBytes => 1 << (_pageBits - 3);

    /// <summary>Bits for a disk.</summary>
    internal static long CountFor(long lengthBytes, int granularityBits) => (lengthBytes >> granularityBits) + ((lengthBytes & ((1L << granularityBits) - 1)) == 0 ? 0 : 1);

    /// <summary>Bytes that a disk's bits take.</summary>
    internal static long BytesFor(long lengthBytes, int granularityBits) => (CountFor(lengthBytes, granularityBits) + 7) >> 3;

    /// <summary>Sets the bits of a range of the disk, at least one byte of it.</summary>
    internal void SetRange(long offset, long lengthBytes) => Set(offset >> _granularityBits, ((offset + lengthBytes - 1) >> _granularityBits) + 1);

    /// <summary>Clears all.</summary>
    internal void Clear()
    {
        for (int page = 0; page < _pages.Length; page++) Become(page, ones: false);
    }

    /// <summary>The run of equal bits at an offset of the disk: whether they are set, and how far they reach, in bytes of the disk.</summary>
    internal (bool IsSet, long LengthBytes) RunAt(long offset)
    {
        long at = offset >> _granularityBits;
        bool isSet = Get(at);
        while (at < Count)
        {
            int page = (int)(at >> _pageBits);
            long pageEnd = Math.Min(Count, (long)(page + 1) << _pageBits);
            at = _pages[page] is { } bits ? EndOfRun(bits.Span, at, pageEnd, isSet) : _isOnes[page] == isSet ? pageEnd : at;
            if (at != pageEnd) break;
        }
        return (isSet, Math.Min(at << _granularityBits, LengthBytes) - offset);
    }

    /// <summary>Sets the bits from one byte of the stored form on to all ones.</summary>
    internal void FillBytes(long byteOffset, long lengthBytes) => Set(byteOffset * 8, Math.Min(Count, (byteOffset + lengthBytes) * 8));

    /// <summary>Takes a part of the stored form. Bits behind the last are left out. Throws <see cref="Graph.BlockIoException"/> where memory does not reach.</summary>
    internal void CopyFrom(long byteOffset, ReadOnlySpan<byte> stored)
    {
        stored = stored[..(int)Math.Clamp(((Count + 7) >> 3) - byteOffset, 0, stored.Length)];
        while (stored.Length != 0)
        {
            int page = (int)(byteOffset >> (_pageBits - 3)), within = (int)(byteOffset & (PageBytes - 1)), length = Math.Min(stored.Length, PageBytes - within);
            if (!_isOnes[page] && stored[..length].ContainsAnyExcept((byte)0))
            {
                if (_pages[page] is null) _memory.Take(PageBytes);
                stored[..length].CopyTo((_pages[page] ??= new NativeBuffer(PageBytes)).Span[within..]);
            }
            stored = stored[length..];
            byteOffset += length;
        }
    }

    /// <summary>Gives a part of the stored form; bits behind the last are clear.</summary>
    internal void CopyTo(long byteOffset, Span<byte> stored)
    {
        stored.Clear();
        Span<byte> rest = stored[..(int)Math.Clamp(((Count + 7) >> 3) - byteOffset, 0, stored.Length)];
        int used = rest.Length;
        for (long at = byteOffset; rest.Length != 0;)
        {
            int page = (int)(at >> (_pageBits - 3)), within = (int)(at & (PageBytes - 1)), length = Math.Min(rest.Length, PageBytes - within);
            if (_pages[page] is { } bits) bits.Span.Slice(within, length).CopyTo(rest);
            else if (_isOnes[page]) rest[..length].Fill(byte.MaxValue);
            rest = rest[length..];
            at += length;
        }
        if (used != 0 && (byteOffset + used) * 8 > Count) stored[used - 1] &= (byte)((1 << (int)(Count & 7)) - 1);
    }

    /// <summary>Whether all bits of a part of the stored form are alike: clear or, where the disk reaches over all of it, set.</summary>
    internal static bool IsUniform(ReadOnlySpan<byte> stored, out bool ones)
    {
        ones = stored[0] == byte.MaxValue;
        return !stored.ContainsAnyExcept(ones ? byte.MaxValue : (byte)0);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Clear();
        _memory.Give((long)_pages.Length * PlaceBytes);
    }

    private bool Get(long bit)
    {
        int page = (int)(bit >> _pageBits), within = (int)(bit & ((1L << _pageBits) - 1));
        return _pages[page] is { } bits ? (bits.Span[within >> 3] & (1 << (within & 7))) != 0 : _isOnes[page];
    }

    private void Set(long bit, long end)
    {
        while (bit < end)
        {
            int page = (int)(bit >> _pageBits);
            long first = (long)page << _pageBits, pageEnd = Math.Min(first + (1L << _pageBits), end);
            if (!_isOnes[page])
            {
                bool isWhole = bit == first && (pageEnd == Count || pageEnd == first + (1L << _pageBits));
                if (isWhole || (_pages[page] is null && !_memory.TryTake(PageBytes))) Become(page, ones: true);
                else SetWithin((_pages[page] ??= new NativeBuffer(PageBytes)).Span, (int)(bit - first), (int)(pageEnd - first));
            }
            bit = pageEnd;
        }
    }

    private static void SetWithin(Span<byte> bits, int bit, int end)
    {
        for (; bit < end && (bit & 7) != 0; bit++) bits[bit >> 3] |= (byte)(1 << (bit & 7));
        int whole = (end - bit) >> 3;
        if (whole > 0)
        {
            bits.Slice(bit >> 3, whole).Fill(byte.MaxValue);
            bit += whole * 8;
        }
        for (; bit < end; bit++) bits[bit >> 3] |= (byte)(1 << (bit & 7));
    }

    // Where bits stop being so, or the end of the page.
    private long EndOfRun(Span<byte> bits, long at, long end, bool isSet)
    {
        long first = at >> _pageBits << _pageBits;
        int bit = (int)(at - first), limit = (int)(end - first);
        byte same = isSet ? byte.MaxValue : (byte)0;
        while (bit < limit)
        {
            int differs = (byte)(bits[bit >> 3] ^ same) >> (bit & 7);
            if (differs != 0) return Math.Min(end, first + bit + BitOperations.TrailingZeroCount(differs));
            bit = (bit | 7) + 1;
            int rest = bits[(bit >> 3)..].IndexOfAnyExcept(same);
            bit = rest < 0 ? limit : bit + (rest * 8);
        }
        return end;
    }

    private void Become(int page, bool ones)
    {
        if (_pages[page] is { } bits)
        {
            bits.Dispose();
            _pages[page] = null;
            _memory.Give(PageBytes);
        }
        _isOnes[page] = ones;
    }
}
