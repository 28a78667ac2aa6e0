using System;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vpc;

/// <summary>An open fixed VHD: the disk's bytes, and the footer behind them.</summary>
internal sealed class VpcFixedNode(BlockNode file, VpcFooter footer, long lengthBytes, bool readOnly) : FlatImageNode(file, lengthBytes, readOnly)
{
    /// <summary>The disk's identity, by which differencing disks know their parent.</summary>
    internal Guid UniqueId => footer.UniqueId;

    /// <inheritdoc/>
    public override ImageFormat Format => VpcFormat.Instance;
}
