using System;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Header extensions: type, length, data padded to eight bytes (qcow2 §"Header extensions").</summary>
internal static class Qcow2HeaderExtensions
{
    /// <summary>Magic numbers. The second backing format is a misprint of another program, met in images of its making.</summary>
    internal const uint End = 0, BackingFormat = 0xe2792aca, MisprintedBackingFormat = 0xe279268f, FeatureNames = 0x6803f857,
        Bitmaps = 0x23852875, CryptoHeader = 0x0537be77, DataFileName = 0x44415441;

    /// <summary>Lengths of extensions of fixed length in bytes.</summary>
    internal const int BitmapsBytes = 24, CryptoHeaderBytes = 16;

    /// <summary>Reads all extensions of <paramref name="area"/>, the header's cluster up to the backing name, from <paramref name="offset"/> on.</summary>
    internal static Qcow2Header Read(Qcow2Header header, ReadOnlySpan<byte> area, int offset)
    {
        ImmutableArray<Qcow2UnknownExtension>.Builder unknown = ImmutableArray.CreateBuilder<Qcow2UnknownExtension>();
        while (TryNext(area, ref offset, out uint type, out ReadOnlySpan<byte> data))
        {
            switch (type)
            {
                case BackingFormat:
                case MisprintedBackingFormat:
                    if (data.Length > Qcow2Limits.MaxBackingFormatBytes) throw Wrong($"ERROR: ext_backing_format: len={data.Length} too large (>={Qcow2Limits.MaxBackingFormatBytes + 1})");
                    header = header with { BackingFormat = Encoding.UTF8.GetString(data) };
                    break;
                case FeatureNames:
                    break;
                case CryptoHeader:
                    header = ReadCryptoHeader(header, data);
                    break;
                case Bitmaps:
                    header = ReadBitmaps(header, data);
                    break;
                case DataFileName:
                    header = header with { DataFileName = Encoding.UTF8.GetString(data) };
                    break;
                default:
                    unknown.Add(new(type, [.. data]));
                    break;
            }
        }
        return header with { UnknownExtensions = unknown.ToImmutable() };
    }

    /// <summary>The feature name table, or nothing. Never throws: an image that is refused anyway may have any garbage behind it.</summary>
    internal static ReadOnlySpan<byte> FindNameTable(ReadOnlySpan<byte> area, int offset)
    {
        try
        {
            while (TryNext(area, ref offset, out uint type, out ReadOnlySpan<byte> data))
                if (type == FeatureNames) return data;
        }
        catch (ImageException)
        {
            return default;
        }
        return default;
    }

    private static bool TryNext(ReadOnlySpan<byte> area, scoped ref int offset, out uint type, out ReadOnlySpan<byte> data)
    {
        type = End;
        data = default;
        if (offset >= area.Length) return false;
        if (offset > area.Length - 8) throw new ImageException("Header extension too large");
        type = BinaryPrimitives.ReadUInt32BigEndian(area[offset..]);
        uint length = BinaryPrimitives.ReadUInt32BigEndian(area[(offset + 4)..]);
        offset += 8;
        if (length > (uint)(area.Length - offset)) throw new ImageException("Header extension too large");
        data = area.Slice(offset, (int)length);
        offset += ((int)length + 7) & ~7;
        return type != End;
    }

    private static Qcow2Header ReadCryptoHeader(Qcow2Header header, ReadOnlySpan<byte> data)
    {
        if (header.Encryption != Qcow2Encryption.Luks) throw new ImageException("CRYPTO header extension only expected with LUKS encryption method");
        if (data.Length != CryptoHeaderBytes) throw Wrong($"CRYPTO header extension size {data.Length}, but expected size {CryptoHeaderBytes}");
        ulong offset = BinaryPrimitives.ReadUInt64BigEndian(data), length = BinaryPrimitives.ReadUInt64BigEndian(data[8..]);
        if (offset % (ulong)header.ClusterBytes != 0 || offset > long.MaxValue || length > long.MaxValue - offset)
            throw Wrong($"Encryption header offset '{offset}' is not a multiple of cluster size '{header.ClusterBytes}'");
        return header with { CryptoHeader = new((long)offset, (long)length) };
    }

    private static Qcow2Header ReadBitmaps(Qcow2Header header, ReadOnlySpan<byte> data)
    {
        if (data.Length != BitmapsBytes) throw new ImageException("bitmaps_ext: Invalid extension length");
        if ((header.Autoclear & Qcow2Features.Bitmaps) == 0)
        {
            // A program without bitmaps has written: whatever the extension says is out of date.
            return header with
            {
                Warning = header.Version < 3
                    ? "This qcow2 v2 image contains bitmaps, but they may have been modified by a program without persistent bitmap support; so now they must all be considered inconsistent"
                    : "a program lacking bitmap support modified this file, so all bitmaps are now considered inconsistent",
            };
        }
        uint count = BinaryPrimitives.ReadUInt32BigEndian(data);
        ulong length = BinaryPrimitives.ReadUInt64BigEndian(data[8..]), offset = BinaryPrimitives.ReadUInt64BigEndian(data[16..]);
        if (BinaryPrimitives.ReadUInt32BigEndian(data[4..]) != 0) throw new ImageException("bitmaps_ext: Reserved field is not zero");
        if (count > Qcow2Limits.MaxBitmaps) throw Wrong($"bitmaps_ext: Image has {count} bitmaps, exceeding the QEMU supported maximum of {Qcow2Limits.MaxBitmaps}");
        if (count == 0) throw new ImageException("found bitmaps extension with zero bitmaps");
        if (offset % (ulong)header.ClusterBytes != 0 || offset > long.MaxValue) throw new ImageException("bitmaps_ext: invalid bitmap directory offset");
        if (length > Qcow2Limits.MaxBitmapDirectoryBytes)
            throw Wrong($"bitmaps_ext: bitmap directory size ({length}) exceeds the maximum supported size ({Qcow2Limits.MaxBitmapDirectoryBytes})");
        if (offset > long.MaxValue - length) throw new ImageException("bitmaps_ext: invalid bitmap directory offset");
        return header with { Bitmaps = new((int)count, new((long)offset, (long)length)) };
    }

    private static ImageException Wrong(FormattableString message) => new(message.ToString(CultureInfo.InvariantCulture));
}
