using System;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vpc;

/// <summary>An open dynamic or differencing VHD.</summary>
internal sealed class VpcNode : MappedImageNode
{
    /// <summary>Makes the node and owns the map with its nodes.</summary>
    internal VpcNode(VpcMap map, VpcFooter footer, ImageReference? backing, bool readOnly) : base(map, readOnly)
    {
        UniqueId = footer.UniqueId;
        BackingReference = backing;
        // A differencing disk tells sectors apart, nothing smaller.
        if (backing is not null) Limits = base.Limits with { RequestAlignmentBytes = Math.Max(512, base.Limits.RequestAlignmentBytes) };
        else Limits = base.Limits;
    }

    /// <summary>The disk's identity, by which differencing disks know their parent.</summary>
    internal Guid UniqueId { get; }

    /// <inheritdoc/>
    public override ImageFormat Format => VpcFormat.Instance;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override ImageReference? BackingReference { get; }
}
