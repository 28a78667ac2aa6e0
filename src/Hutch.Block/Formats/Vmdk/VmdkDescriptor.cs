using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>A line of a descriptor that names an extent.</summary>
/// <param name="Sectors">Length in sectors of 512 bytes.</param>
/// <param name="Type">FLAT, VMFS, SPARSE, VMFSSPARSE, SESPARSE or ZERO.</param>
/// <param name="FileName">The file's name, as it stands there; nothing about it can be trusted.</param>
/// <param name="OffsetSectors">Where a flat extent begins in its file.</param>
internal sealed record VmdkExtentLine(long Sectors, string Type, string FileName, long OffsetSectors)
{
    /// <summary>Length in bytes.</summary>
    internal long LengthBytes => Sectors * 512;
}

/// <summary>The text that describes a VMDK image: in a file of its own, or at the beginning of a sparse one (VMware Virtual Disk Format 5.0, "The Disk Descriptor File").</summary>
internal sealed record VmdkDescriptor
{
    /// <summary>A longer text is not looked at.</summary>
    internal const int MaxBytes = (1 << 20) - 1;

    /// <summary>The id of no parent.</summary>
    internal const uint NoParent = 0xffffffff;

    private const int MaxExtents = 4096;

    /// <summary>Changes with the disk's content; children know their parent by it.</summary>
    internal required uint Cid { get; init; }

    /// <summary>The parent's id when the image was made over it.</summary>
    internal uint ParentCid { get; init; } = NoParent;

    /// <summary>Kind of image: monolithicSparse, ...; empty where it does not stand there.</summary>
    internal required string CreateType { get; init; }

    /// <summary>The parent's name; null where there is none.</summary>
    internal string? ParentFileName { get; init; }

    /// <summary>The extents, in the disk's order.</summary>
    internal required ImmutableArray<VmdkExtentLine> Extents { get; init; }

    /// <summary>Whether a text that begins so could be one: comments, then the version.</summary>
    internal static bool Recognise(ReadOnlySpan<byte> head)
    {
        while (head.Length != 0)
        {
            int end = head.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = (end < 0 ? head : head[..end]).TrimEnd((byte)'\r');
            if (line.Length != 0 && line[0] != '#' && line.ContainsAnyExcept((byte)' ')) return line is [(byte)'v', (byte)'e', (byte)'r', (byte)'s', (byte)'i', (byte)'o', (byte)'n', (byte)'=', >= (byte)'1' and <= (byte)'3'];
            if (end < 0) return false;
            head = head[(end + 1)..];
        }
        return false;
    }

    /// <summary>Reads a descriptor. Throws <see cref="ImageException"/>.</summary>
    internal static VmdkDescriptor Parse(ReadOnlySpan<byte> bytes)
    {
        int nul = bytes.IndexOf((byte)0);
        string text = Encoding.UTF8.GetString(nul < 0 ? bytes : bytes[..nul]);
        Dictionary<string, string> values = new(StringComparer.Ordinal);
        ImmutableArray<VmdkExtentLine>.Builder extents = ImmutableArray.CreateBuilder<VmdkExtentLine>();
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.Trim();
            if (line.Length == 0 || line[0] == '#') continue;
            int equals = line.IndexOf('=', StringComparison.Ordinal);
            if (ParseExtent(line) is VmdkExtentLine extent) extents.Add(extent);
            else if (equals > 0) _ = values.TryAdd(line[..equals].Trim(), line[(equals + 1)..].Trim().Trim('"'));
            if (extents.Count > MaxExtents) throw new ImageException("invalid VMDK image descriptor", $"It has more than {MaxExtents} extents.");
        }
        uint parent = ParseCid(values, "parentCID") ?? NoParent;
        return new VmdkDescriptor
        {
            Cid = ParseCid(values, "CID") ?? NoParent,
            ParentCid = parent,
            CreateType = values.GetValueOrDefault("createType", ""),
            ParentFileName = parent == NoParent ? null : values.GetValueOrDefault("parentFileNameHint"),
            Extents = extents.ToImmutable(),
        };
    }

    /// <summary>The same text with another id, in eight digits.</summary>
    /// <returns>The text and, where nothing else moved, the place of the digits in it; -1 otherwise.</returns>
    internal static (byte[] Text, int DigitsOffset) WithCid(ReadOnlySpan<byte> bytes, uint cid)
    {
        int nul = bytes.IndexOf((byte)0);
        if (nul >= 0) bytes = bytes[..nul];
        int line = bytes.StartsWith("CID="u8) ? 0 : bytes.IndexOf("\nCID="u8) + 1;
        if (line == 0 && !bytes.StartsWith("CID="u8)) throw new ImageException("invalid VMDK image descriptor");
        int start = line + 4, end = start;
        while (end < bytes.Length && char.IsAsciiHexDigit((char)bytes[end])) end++;
        byte[] digits = Encoding.ASCII.GetBytes(cid.ToString("x8", CultureInfo.InvariantCulture));
        return ([.. bytes[..start], .. digits, .. bytes[end..]], end - start == digits.Length ? start : -1);
    }

    private static uint? ParseCid(Dictionary<string, string> values, string name)
    {
        if (!values.TryGetValue(name, out string? text)) return null;
        return uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint cid) ? cid : throw new ImageException($"Failed to parse cid '{text}'");
    }

    // RW 4192256 SPARSE "disk-s001.vmdk", RW 63 FLAT "disk-flat.vmdk" 0. Null for a line that is none.
    private static VmdkExtentLine? ParseExtent(string line)
    {
        string access = line.Split(' ', 2)[0];
        if (access is not ("RW" or "RDONLY" or "NOACCESS")) return null;
        int open = line.IndexOf('"', StringComparison.Ordinal), close = open < 0 ? -1 : line.IndexOf('"', open + 1);
        string[] words = (open < 0 ? line : line[..open]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length != 3 || !long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out long sectors) || sectors <= 0 || sectors > long.MaxValue / 1024)
            throw new ImageException($"Invalid extent line: {line}");
        string type = words[2];
        if (type is not ("FLAT" or "VMFS" or "SPARSE" or "VMFSSPARSE" or "SESPARSE" or "ZERO")) throw new ImageException($"Unsupported extent type '{type}'");
        if (type == "ZERO") return new VmdkExtentLine(sectors, type, "", 0);
        if (close < 0) throw new ImageException($"Invalid extent line: {line}");
        string rest = line[(close + 1)..].Trim();
        long offset = 0;
        bool good = type == "FLAT" ? long.TryParse(rest.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out offset) : rest.Length == 0 || type == "VMFS";
        if (!good || offset > long.MaxValue / 1024) throw new ImageException($"Invalid extent line: {line}");
        return new VmdkExtentLine(sectors, type, line[(open + 1)..close], offset);
    }
}
