using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats;

/// <summary>An image format: recognises, opens, creates and measures its images. Stateless; one instance for each format in <see cref="ImageFormats"/>.</summary>
public abstract class ImageFormat
{
    /// <summary>Name as in QEMU: raw, qcow2, vmdk, vdi, vpc, vhdx, luks.</summary>
    public abstract string Name { get; }

    /// <summary>
    /// Options of <see cref="CreateAsync"/>, in the order of the line "Formatting ..." that 'create' prints (help texts sort them); empty where images cannot
    /// be made. "size" is among them, for its place in that line, though requests carry it apart.
    /// </summary>
    public abstract IReadOnlyList<CreateOption> CreateOptions { get; }

    /// <summary>Options of <see cref="IImageAmend.AmendAsync"/>; those of creation that can be amended, unless a format has others.</summary>
    public virtual IReadOnlyList<CreateOption> AmendOptions => [.. CreateOptions.Where(static option => option.CanAmend)];

    /// <summary>Images can be made.</summary>
    public virtual bool CanCreate => true;

    /// <summary>Images can hold compressed data.</summary>
    public virtual bool CanCompress => false;

    /// <summary>Images can have a backing image.</summary>
    public virtual bool HasBacking => false;

    /// <summary>How sure it is, 0 to 100, that a file beginning with <paramref name="head"/> is of this format. Never throws.</summary>
    /// <param name="head">The first bytes, up to 2048; shorter where the file is.</param>
    /// <param name="fileName">The file's name, for formats without a magic number.</param>
    public abstract int Probe(ReadOnlySpan<byte> head, string fileName);

    /// <summary>
    /// Opens an image in <paramref name="file"/> and owns that node from then on, unless it throws. Throws <see cref="ImageException"/> for what is no such
    /// image or damaged, <see cref="BlockIoException"/> where storage fails. Input is untrusted: all sizes are capped before memory is taken.
    /// </summary>
    public abstract ValueTask<ImageNode> OpenAsync(BlockNode file, ImageOpenOptions options, CancellationToken cancellation);

    /// <summary>Run-time options of an image that is opened again: those of <paramref name="before"/>, except where <paramref name="now"/> says otherwise.</summary>
    public virtual IReadOnlyDictionary<string, string> JoinOptions(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now)
    {
        ArgumentNullException.ThrowIfNull(now);
        Dictionary<string, string> all = new(before, StringComparer.Ordinal);
        foreach ((string name, string value) in now) all[name] = value;
        return all;
    }

    /// <summary>Writes a new, empty image into <paramref name="file"/>, an empty file that stays the caller's. Throws <see cref="ImageException"/> for a bad option.</summary>
    public abstract ValueTask CreateAsync(BlockNode file, ImageCreateRequest request, CancellationToken cancellation);

    /// <summary>
    /// How large an image's file would be with the data of <paramref name="source"/> (null: none yet, <see cref="ImageCreateRequest.LengthBytes"/> long).
    /// Throws <see cref="ImageException"/> where the format cannot tell.
    /// </summary>
    public virtual ValueTask<ImageMeasure> MeasureAsync(BlockNode? source, ImageCreateRequest request, CancellationToken cancellation) =>
        throw new ImageException($"Block driver '{Name}' does not support size measurement");
}

/// <summary>File lengths in bytes of an image.</summary>
/// <param name="RequiredBytes">With the source's present data.</param>
/// <param name="FullyAllocatedBytes">With all of the disk written.</param>
/// <param name="BitmapBytes">Persistent bitmaps on top; null where there is nothing to say.</param>
public readonly record struct ImageMeasure(long RequiredBytes, long FullyAllocatedBytes, long? BitmapBytes);
