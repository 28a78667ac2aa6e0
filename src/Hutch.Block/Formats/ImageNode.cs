using System.Collections.Generic;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats;

/// <summary>
/// An opened image. What only some formats can is asked by interface: <see cref="IImageCheck"/>, <see cref="IImageSnapshots"/>, <see cref="IImageBitmaps"/>,
/// <see cref="IImageVmState"/>, <see cref="IImageAmend"/>, <see cref="IImageBacking"/>.
/// </summary>
public abstract class ImageNode : BlockNode
{
    /// <summary>The image's format.</summary>
    public abstract ImageFormat Format { get; }

    /// <summary>Size in bytes in which space is taken; 0 where the format has none to tell.</summary>
    public virtual int ClusterBytes => 0;

    /// <summary>Writes with <see cref="WriteFlags.Compressed"/> are possible.</summary>
    public virtual bool CanCompress => false;

    /// <summary>The image's data is encrypted.</summary>
    public virtual bool IsEncrypted => false;

    /// <summary>The image was not closed properly, or its reference counts are behind.</summary>
    public virtual bool IsDirty => false;

    /// <summary>The backing image as the metadata names it; null where there is none. It may be closed all the same: look at <see cref="BlockNode.Children"/>.</summary>
    public virtual ImageReference? BackingReference => null;

    /// <summary>
    /// What 'info' shows as format-specific: names and values as in QEMU's ImageInfoSpecific data, in its order. Values are string, bool, long, or again such lists
    /// (an object), or arrays of them (<see cref="IReadOnlyList{T}"/> of object). Null where there is nothing.
    /// </summary>
    public virtual IReadOnlyList<KeyValuePair<string, object>>? DescribeSpecifics() => null;
}
