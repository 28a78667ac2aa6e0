using System.Collections.Immutable;
using System.Text;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>A persistent bitmap of an open image. Under the lock of <see cref="Qcow2Bitmaps"/>.</summary>
internal sealed class Qcow2Bitmap
{
    /// <summary>Takes one from the directory.</summary>
    internal Qcow2Bitmap(Qcow2BitmapEntry stored) : this(stored.Name, stored.NameBytes, stored.GranularityBits)
    {
        (Stored, IsEnabled, IsInconsistent) = (stored, stored.IsAuto, stored.IsInUse);
    }

    /// <summary>Makes a new one, which is on disk when it is stored for the first time.</summary>
    internal Qcow2Bitmap(string name, int granularityBits, bool isEnabled, BitmapBits bits) : this(name, [.. Encoding.UTF8.GetBytes(name)], granularityBits)
    {
        (IsEnabled, Bits) = (isEnabled, bits);
    }

    private Qcow2Bitmap(string name, ImmutableArray<byte> nameBytes, int granularityBits) => (Name, NameBytes, GranularityBits) = (name, nameBytes, granularityBits);

    /// <summary>Its name.</summary>
    internal string Name { get; }

    /// <summary>Its name as it is stored.</summary>
    internal ImmutableArray<byte> NameBytes { get; }

    /// <summary>Bytes of the disk for a bit, as a power of two.</summary>
    internal int GranularityBits { get; }

    /// <summary>It records writes.</summary>
    internal bool IsEnabled { get; set; }

    /// <summary>Its bits are lost.</summary>
    internal bool IsInconsistent { get; private set; }

    /// <summary>Its bits; null while they are on disk alone.</summary>
    internal BitmapBits? Bits { get; set; }

    /// <summary>Its entry of the directory on disk, which says that it is in use while memory is ahead; null where it is not there yet.</summary>
    internal Qcow2BitmapEntry? Stored { get; set; }

    /// <summary>What is on disk is not what it is.</summary>
    internal bool IsAhead => !IsInconsistent && Stored is not { IsInUse: false };

    /// <summary>Its bits cannot be read: it can only be removed.</summary>
    internal void Lose()
    {
        IsInconsistent = true;
        Bits?.Dispose();
        Bits = null;
    }

    /// <summary>Throws <see cref="ImageException"/> where its bits are lost.</summary>
    internal Qcow2Bitmap Usable() =>
        !IsInconsistent ? this : throw new ImageException($"Bitmap '{Name}' is inconsistent and cannot be used", "Try block-dirty-bitmap-remove to delete this bitmap from disk");

    /// <summary>What others see of it.</summary>
    internal ImageBitmap ToImageBitmap() => new(Name, 1L << GranularityBits, IsEnabled, IsInconsistent);

    /// <summary>Throws <see cref="ImageException"/> where a bitmap of this granularity would take too much of a disk of this length.</summary>
    internal static void CheckSize(long lengthBytes, int granularityBits, Qcow2Geometry geometry)
    {
        if (lengthBytes == 0) throw new ImageException("A disk of no length cannot have bitmaps");
        long bytes = BitmapBits.BytesFor(lengthBytes, granularityBits);
        if (bytes > Qcow2Limits.MaxBitmapBytes || geometry.ClustersFor(bytes) > Qcow2Limits.MaxBitmapTableEntries)
            throw new ImageException("Too much space will be occupied by the bitmap. Use larger granularity");
    }
}
