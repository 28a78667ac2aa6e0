using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vdi;

/// <summary>An open VDI image.</summary>
internal sealed class VdiNode : MappedImageNode, IImageCheck
{
    private readonly VdiMap _map;
    private readonly bool _isStatic;

    /// <summary>Makes the node and owns <paramref name="file"/>.</summary>
    internal static VdiNode Create(BlockNode file, VdiHeader header, bool readOnly) => new(new VdiMap(file, header), header, readOnly);

    private VdiNode(VdiMap map, VdiHeader header, bool readOnly) : base(map, readOnly)
    {
        _map = map;
        _isStatic = header.IsStatic;
    }

    /// <inheritdoc/>
    public override ImageFormat Format => VdiFormat.Instance;

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        BlockExtent extent = await base.GetExtentAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
        // A static image's blocks are there before anything is written to them.
        return _isStatic && extent.Kind == BlockExtentKind.Data ? extent with { IsPreallocated = true } : extent;
    }

    /// <inheritdoc/>
    public ValueTask<ImageCheckResult> CheckAsync(ImageRepair repair, Action<string> report, CancellationToken cancellation)
    {
        if (repair != ImageRepair.None) throw new BlockIoException($"\"{Filename}\": VDI images cannot be repaired.", BlockIoException.Enotsup);
        return _map.CheckAsync(report, cancellation);
    }
}
