using System;
using System.Buffers.Binary;

namespace Hutch.Vmm.Display;

/// <summary>How a client wants its pixels (RFC 6143 §7.4): immutable, and checked when it is read.</summary>
internal sealed class RfbPixelFormat
{
    /// <summary>Length of the structure in bytes.</summary>
    internal const int StructureBytes = 16;

    private readonly byte[] _structure;
    private readonly bool _bigEndian;
    private readonly int _redMost, _greenMost, _blueMost, _redShift, _greenShift, _blueShift;
    private readonly bool _isNative;

    private RfbPixelFormat(ReadOnlySpan<byte> structure)
    {
        _structure = structure[..StructureBytes].ToArray();
        PixelBytes = structure[0] / 8;
        Depth = structure[1];
        _bigEndian = structure[2] != 0;
        (_redMost, _greenMost, _blueMost) = (Most(structure, 4), Most(structure, 6), Most(structure, 8));
        (_redShift, _greenShift, _blueShift) = (structure[10], structure[11], structure[12]);
        _isNative = PixelBytes == 4 && !_bigEndian && (_redMost, _greenMost, _blueMost) == (255, 255, 255) && (_redShift, _greenShift, _blueShift) == (16, 8, 0);
        ulong used = (ulong)_redMost << _redShift | (ulong)_greenMost << _greenShift | (ulong)_blueMost << _blueShift;
        if (PixelBytes != 4 || Depth > 24) return;
        // Four bytes of which one is always zero are sent as three where the encoding says so (§7.7.5).
        if (used <= 0xff_ffff) (CompactBytes, CompactSkips) = (3, _bigEndian ? 1 : 0);
        else if ((used & 0xff) == 0 && used <= uint.MaxValue) (CompactBytes, CompactSkips) = (3, _bigEndian ? 0 : 1);
    }

    /// <summary>32 bits, little-endian, 0x00RRGGBB: how screens are drawn.</summary>
    internal static RfbPixelFormat Native { get; } = new([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);

    /// <summary>The structure as it goes over the wire.</summary>
    internal ReadOnlySpan<byte> Structure => _structure;

    /// <summary>1, 2 or 4.</summary>
    internal int PixelBytes { get; }

    /// <summary>Bits of a pixel that count.</summary>
    internal int Depth { get; }

    /// <summary>Bytes of a compact pixel; 0: as of any other.</summary>
    private int CompactBytes { get; }

    private int CompactSkips { get; }

    /// <summary>Bytes of a pixel in ZRLE.</summary>
    internal int CompactPixelBytes => CompactBytes == 0 ? PixelBytes : CompactBytes;

    /// <summary>Reads a client's format; null where it makes no sense, or has a palette, which we do not serve.</summary>
    internal static RfbPixelFormat? Read(ReadOnlySpan<byte> structure)
    {
        if (structure[0] is not (8 or 16 or 32) || structure[3] == 0) return null;
        for (int part = 0; part < 3; part++)
        {
            int most = Most(structure, 4 + (2 * part));
            if (most == 0 || (most & (most + 1)) != 0 || structure[10 + part] >= structure[0]) return null;
        }
        return new RfbPixelFormat(structure);
    }

    /// <summary>Converts pixels 0x00RRGGBB. The destination has room for all.</summary>
    internal void Write(ReadOnlySpan<uint> pixels, Span<byte> destination)
    {
        if (_isNative && BitConverter.IsLittleEndian)
        {
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(pixels).CopyTo(destination);
            return;
        }
        for (int i = 0; i < pixels.Length; i++) Put(destination.Slice(i * PixelBytes, PixelBytes), Convert(pixels[i]));
    }

    /// <summary>Converts one pixel to its compact form. Returns the bytes written.</summary>
    internal int WriteCompact(uint pixel, Span<byte> destination)
    {
        Span<byte> whole = stackalloc byte[4];
        Put(whole[..PixelBytes], Convert(pixel));
        whole.Slice(CompactBytes == 0 ? 0 : CompactSkips, CompactPixelBytes).CopyTo(destination);
        return CompactPixelBytes;
    }

    private static int Most(ReadOnlySpan<byte> structure, int at) => BinaryPrimitives.ReadUInt16BigEndian(structure[at..]);

    private uint Convert(uint pixel) =>
        (uint)((((pixel >> 16 & 0xff) * (uint)_redMost + 127) / 255) << _redShift)
        | (uint)((((pixel >> 8 & 0xff) * (uint)_greenMost + 127) / 255) << _greenShift)
        | (uint)((((pixel & 0xff) * (uint)_blueMost + 127) / 255) << _blueShift);

    private void Put(Span<byte> destination, uint value)
    {
        switch (destination.Length)
        {
            case 1: destination[0] = (byte)value; break;
            case 2 when _bigEndian: BinaryPrimitives.WriteUInt16BigEndian(destination, (ushort)value); break;
            case 2: BinaryPrimitives.WriteUInt16LittleEndian(destination, (ushort)value); break;
            default:
                if (_bigEndian) BinaryPrimitives.WriteUInt32BigEndian(destination, value);
                else BinaryPrimitives.WriteUInt32LittleEndian(destination, value);
                break;
        }
    }
}
