using System;

namespace Hutch.Block.Formats.Vpc;

/// <summary>The geometry that a VHD's footer has, by the rules of its specification (Virtual Hard Disk Image Format 1.0, appendix).</summary>
/// <param name="Cylinders">Cylinders.</param>
/// <param name="Heads">Heads.</param>
/// <param name="Sectors">Sectors of each track.</param>
internal readonly record struct VpcGeometry(ushort Cylinders, byte Heads, byte Sectors)
{
    /// <summary>Sectors of the largest geometry.</summary>
    internal const long MaxSectors = 65535L * 16 * 255;

    /// <summary>Sectors of the largest disk: 2040 GiB.</summary>
    internal const long MaxDiskSectors = 2040L << 21;

    /// <summary>Sectors of the disk.</summary>
    internal long Total => (long)Cylinders * Heads * Sectors;

    /// <summary>The geometry for a disk; it may have fewer sectors.</summary>
    internal static VpcGeometry Of(long totalSectors)
    {
        totalSectors = Math.Min(totalSectors, MaxSectors);
        long sectors, heads, tracks;
        if (totalSectors > 65535L * 16 * 63)
        {
            (sectors, heads) = (255, 16);
            tracks = totalSectors / sectors;
        }
        else
        {
            sectors = 17;
            tracks = totalSectors / sectors;
            heads = Math.Max(4, (tracks + 1023) / 1024);
            if (tracks >= heads * 1024 || heads > 16) (sectors, heads, tracks) = (31, 16, totalSectors / 31);
            if (tracks >= heads * 1024) (sectors, heads, tracks) = (63, 16, totalSectors / 63);
        }
        return new VpcGeometry((ushort)(tracks / heads), (byte)heads, (byte)sectors);
    }

    /// <summary>The smallest geometry that has at least so many sectors; the largest where none does.</summary>
    internal static VpcGeometry Covering(long totalSectors)
    {
        long wanted = Math.Min(totalSectors, MaxSectors);
        VpcGeometry geometry = default;
        for (int more = 0; geometry.Total < wanted; more++) geometry = Of(wanted + more);
        return geometry;
    }
}
