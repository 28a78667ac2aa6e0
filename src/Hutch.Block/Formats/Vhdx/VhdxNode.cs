using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vhdx;

/// <summary>An open VHDX image.</summary>
internal sealed class VhdxNode : MappedImageNode, IImageCheck
{
    private readonly VhdxMap _map;
    private readonly VhdxHeaders _headers;
    private readonly bool _isFixed;
    private readonly bool _wasReplayed;
    private readonly SemaphoreSlim _beginning = new(1);
    private volatile bool _begun;

    /// <summary>Makes the node and owns the map with its nodes.</summary>
    internal VhdxNode(VhdxMap map, VhdxHeaders headers, VhdxMetadata metadata, ImageReference? backing, bool wasReplayed, bool readOnly) : base(map, readOnly)
    {
        _map = map;
        _headers = headers;
        _isFixed = metadata.LeavesBlocksAllocated;
        _wasReplayed = wasReplayed;
        BackingReference = backing;
        // A differencing disk tells sectors apart, nothing smaller.
        int least = backing is null ? 1 : metadata.SectorBytes;
        Limits = base.Limits with { RequestAlignmentBytes = Math.Max(least, base.Limits.RequestAlignmentBytes) };
    }

    /// <summary>Changes with the disk's content; differencing disks know their parent by it.</summary>
    internal Guid DataWriteId => _headers.Current.DataWriteId;

    /// <inheritdoc/>
    public override ImageFormat Format => VhdxFormat.Instance;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override ImageReference? BackingReference { get; }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) =>
        _begun || Limits.IsReadOnly ? base.WriteAsync(offset, source, flags, cancellation) : BeginAndWriteAsync(offset, source, flags, cancellation);

    /// <inheritdoc/>
    public override async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        if (!Limits.IsReadOnly) await BeginAsync(cancellation).ConfigureAwait(false);
        await base.WriteZeroesAsync(offset, lengthBytes, flags, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        if (!Limits.IsReadOnly) await BeginAsync(cancellation).ConfigureAwait(false);
        await base.DiscardAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        BlockExtent extent = await base.GetExtentAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
        return _isFixed && extent.Kind == BlockExtentKind.Data ? extent with { IsPreallocated = true } : extent;
    }

    /// <summary>The log was replayed when the image was opened; the block table is looked through.</summary>
    public async ValueTask<ImageCheckResult> CheckAsync(ImageRepair repair, Action<string> report, CancellationToken cancellation)
    {
        ImageCheckResult result = await _map.CheckAsync(report, cancellation).ConfigureAwait(false);
        return _wasReplayed ? result with { CorruptionsFixed = result.CorruptionsFixed + 1 } : result;
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        _beginning.Dispose();
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask BeginAndWriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        await BeginAsync(cancellation).ConfigureAwait(false);
        await base.WriteAsync(offset, source, flags, cancellation).ConfigureAwait(false);
    }

    // Before the disk's content changes, so does its identity: a differencing disk over the old content must not be shown over the new.
    private async ValueTask BeginAsync(CancellationToken cancellation)
    {
        if (_begun) return;
        await _beginning.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (_begun) return;
            await _headers.UpdateAsync(_headers.Current with { FileWriteId = Guid.NewGuid(), DataWriteId = Guid.NewGuid() }, cancellation).ConfigureAwait(false);
            _begun = true;
        }
        finally
        {
            _beginning.Release();
        }
    }
}
