using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Mapped;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>An open VMDK image: its extents, one behind the other.</summary>
internal sealed class VmdkNode : ImageNode, IImageCheck, IImageCompression
{
    private readonly BlockNode _file;
    private readonly BlockNode? _backing;
    private readonly ImmutableArray<VmdkExtent> _extents;
    private readonly VmdkDescriptorText _text;
    private readonly SemaphoreSlim _beginning = new(1);
    private volatile bool _begun;

    /// <summary>Makes the node and owns <paramref name="file"/>, the extents' files and <paramref name="backing"/>.</summary>
    internal VmdkNode(BlockNode file, BlockNode? backing, VmdkDescriptorText text, ImmutableArray<VmdkExtent> extents, bool readOnly)
    {
        _file = file;
        _backing = backing;
        _text = text;
        _extents = extents;
        BlockLimits limits = MappedImageNode.LimitsOf(file, backing, readOnly, 0);
        foreach (VmdkExtent extent in extents)
        {
            LengthBytes = Math.Max(LengthBytes, extent.Start + extent.LengthBytes);
            if (extent.File is BlockNode part) limits = Join(limits, part.Limits, readOnly);
            ClusterBytes = extent.Map is VmdkSparseMap map && (extent == extents[0] || map.BlockBytes == ClusterBytes) ? map.BlockBytes : 0;
        }
        Limits = limits;
    }

    /// <inheritdoc/>
    public override long LengthBytes { get; }

    /// <inheritdoc/>
    public override ImageFormat Format => VmdkFormat.Instance;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override int ClusterBytes { get; }

    /// <inheritdoc/>
    public override bool CanCompress => _extents is [{ Map.IsCompressed: true }];

    /// <inheritdoc/>
    public override ImageReference? BackingReference => _text.Descriptor.ParentFileName is string name ? new ImageReference(ImageReferenceKind.Backing, name, "vmdk") : null;

    /// <summary>Changes with the disk's content; children know their parent by it.</summary>
    internal uint Cid => _text.Descriptor.Cid;

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children
    {
        get
        {
            ImmutableArray<BlockEdge>.Builder edges = ImmutableArray.CreateBuilder<BlockEdge>();
            edges.Add(new(BlockEdgeKind.Protocol, _file));
            foreach (VmdkExtent extent in _extents)
                if (extent.File is BlockNode part && part != _file) edges.Add(new(BlockEdgeKind.Protocol, part));
            if (_backing is not null) edges.Add(new(BlockEdgeKind.Backing, _backing));
            return edges.ToImmutable();
        }
    }

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRange(offset, destination.LengthBytes);
        VmdkExtent extent = Find(offset);
        return offset - extent.Start <= extent.LengthBytes - destination.LengthBytes
            ? extent.ReadAsync(offset - extent.Start, destination, cancellation)
            : ReadPartsAsync(offset, destination, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWritable(offset, source.LengthBytes);
        VmdkExtent extent = Find(offset);
        return _begun && offset - extent.Start <= extent.LengthBytes - source.LengthBytes
            ? extent.WriteAsync(offset - extent.Start, source, flags, cancellation)
            : WritePartsAsync(offset, source, flags, cancellation);
    }

    /// <inheritdoc/>
    public override async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        await BeginAsync(cancellation).ConfigureAwait(false);
        for (long end = offset + lengthBytes; offset < end;)
        {
            VmdkExtent extent = Find(offset);
            long part = Math.Min(end, extent.Start + extent.LengthBytes) - offset;
            await extent.WriteZeroesAsync(offset - extent.Start, part, flags, cancellation).ConfigureAwait(false);
            offset += part;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckWritable(offset, lengthBytes);
        await BeginAsync(cancellation).ConfigureAwait(false);
        for (long end = offset + lengthBytes; offset < end;)
        {
            VmdkExtent extent = Find(offset);
            long part = Math.Min(end, extent.Start + extent.LengthBytes) - offset;
            await extent.DiscardAsync(offset - extent.Start, part, cancellation).ConfigureAwait(false);
            offset += part;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        foreach (VmdkExtent extent in _extents) await extent.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        VmdkExtent extent = Find(offset);
        return extent.GetExtentAsync(offset - extent.Start, Math.Min(lengthBytes, extent.Start + extent.LengthBytes - offset), cancellation);
    }

    /// <inheritdoc/>
    public int Compress(ReadOnlySpan<byte> cluster, Span<byte> destination) => VmdkGrainCodec.Compress(cluster, destination);

    /// <inheritdoc/>
    public async ValueTask WriteCompressedAsync(long offset, IoVector compressed, CancellationToken cancellation)
    {
        CheckWritable(offset, 1);
        await BeginAsync(cancellation).ConfigureAwait(false);
        await _extents[0].Map!.WriteCompressedAsync(offset, compressed, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<ImageCheckResult> CheckAsync(ImageRepair repair, Action<string> report, CancellationToken cancellation)
    {
        if (repair != ImageRepair.None) throw new BlockIoException($"\"{Filename}\": VMDK images cannot be repaired.", BlockIoException.Enotsup);
        ImageCheckResult all = new();
        foreach (VmdkExtent extent in _extents)
        {
            if (extent.Map is not VmdkSparseMap map) continue;
            ImageCheckResult part = await map.CheckAsync(extent.Start, report, cancellation).ConfigureAwait(false);
            all = all with
            {
                Corruptions = all.Corruptions + part.Corruptions,
                TotalClusters = all.TotalClusters + part.TotalClusters,
                AllocatedClusters = all.AllocatedClusters + part.AllocatedClusters,
            };
        }
        return all;
    }

    /// <inheritdoc/>
    public override IReadOnlyList<KeyValuePair<string, object>>? DescribeSpecifics()
    {
        List<object> extents = [];
        foreach (VmdkExtent extent in _extents)
        {
            List<KeyValuePair<string, object>> one = [];
            if (extent.Map is { IsCompressed: true }) one.Add(new("compressed", true));
            one.Add(new("virtual-size", extent.LengthBytes));
            one.Add(new("filename", extent.File?.Filename ?? ""));
            if (extent.Map is VmdkSparseMap map) one.Add(new("cluster-size", (long)map.BlockBytes));
            one.Add(new("format", extent.Kind));
            extents.Add(one);
        }
        return
        [
            new("cid", (long)_text.Descriptor.Cid), new("parent-cid", (long)_text.Descriptor.ParentCid), new("create-type", _text.Descriptor.CreateType), new("extents", extents),
        ];
    }

    /// <summary>Stores what is not stored yet, then closes everything.</summary>
    public override async ValueTask DisposeAsync()
    {
        try
        {
            foreach (VmdkExtent extent in _extents)
                if (extent.Map is VmdkSparseMap map && !Limits.IsReadOnly) await map.CloseAsync(default).ConfigureAwait(false);
        }
        finally
        {
            _beginning.Dispose();
            await DisposeAllAsync(_file, _extents).ConfigureAwait(false);
            if (_backing is not null) await _backing.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Closes extents and their files, and the image's.</summary>
    internal static async ValueTask DisposeAllAsync(BlockNode? file, IEnumerable<VmdkExtent> extents)
    {
        foreach (VmdkExtent extent in extents)
        {
            extent.Map?.Dispose();
            if (extent.File is BlockNode part && part != file) await part.DisposeAsync().ConfigureAwait(false);
        }
        if (file is not null) await file.DisposeAsync().ConfigureAwait(false);
    }

    private static BlockLimits Join(BlockLimits one, BlockLimits other, bool readOnly) => one with
    {
        IsReadOnly = readOnly || one.IsReadOnly || other.IsReadOnly,
        RequestAlignmentBytes = Math.Max(one.RequestAlignmentBytes, other.RequestAlignmentBytes),
        PhysicalBlockBytes = Math.Max(one.PhysicalBlockBytes, other.PhysicalBlockBytes),
        CanDiscard = !readOnly && other.CanDiscard,
        HasFastZeroes = other.HasFastZeroes,
    };

    private void CheckWritable(long offset, long lengthBytes)
    {
        CheckRange(offset, lengthBytes);
        if (Limits.IsReadOnly) throw new BlockIoException($"\"{Filename}\" was opened read-only.");
    }

    // Extents leave no gap; an empty range may lie at the very end.
    private VmdkExtent Find(long offset)
    {
        int low = 0, high = _extents.Length - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_extents[middle].Start <= offset) low = middle;
            else high = middle - 1;
        }
        return _extents[low];
    }

    private async ValueTask ReadPartsAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        for (long done = 0; done < destination.LengthBytes;)
        {
            VmdkExtent extent = Find(offset + done);
            long within = offset + done - extent.Start, part = Math.Min(destination.LengthBytes - done, extent.LengthBytes - within);
            await extent.ReadAsync(within, destination.Slice(done, part), cancellation).ConfigureAwait(false);
            done += part;
        }
    }

    private async ValueTask WritePartsAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        await BeginAsync(cancellation).ConfigureAwait(false);
        for (long done = 0; done < source.LengthBytes;)
        {
            VmdkExtent extent = Find(offset + done);
            long within = offset + done - extent.Start, part = Math.Min(source.LengthBytes - done, extent.LengthBytes - within);
            await extent.WriteAsync(within, source.Slice(done, part), flags, cancellation).ConfigureAwait(false);
            done += part;
        }
    }

    // Before the disk's content changes, so does its id: an image over the old content must not be shown over the new.
    private async ValueTask BeginAsync(CancellationToken cancellation)
    {
        if (_begun) return;
        await _beginning.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (!_begun) await _text.ChangeCidAsync(_file, cancellation).ConfigureAwait(false);
            _begun = true;
        }
        finally
        {
            _beginning.Release();
        }
    }
}
