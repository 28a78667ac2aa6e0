using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Luks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// A qcow2 image, version 2 or 3. <see cref="Qcow2Metadata"/> owns the metadata; <see cref="Qcow2Reader"/>, <see cref="Qcow2Writer"/> and
/// <see cref="Qcow2Unmapper"/> are the data path; this is what the graph sees of them.
/// </summary>
internal sealed partial class Qcow2Node : ImageNode, IImageBacking, IImageCompression
{
    private readonly bool _ownsFile, _ownsData, _noData;
    private readonly CompressedClusters _compressed;
    private readonly WriteFlags _always;
    private readonly ImageOpenOptions _options;
    private bool _disposed;
    private bool? _preallocated;

    /// <summary>Puts the parts together.</summary>
    internal Qcow2Node(Qcow2Metadata metadata, Qcow2Keys keys, Qcow2Bitmaps bitmaps, BlockNode? backing, ImageOpenOptions options, bool ownsFile, bool ownsData)
    {
        Metadata = metadata;
        Luks = keys.Volume;
        DirtyBitmaps = bitmaps;
        _options = options;
        (_ownsFile, _ownsData) = (ownsFile, ownsData);
        _noData = (metadata.Header.HasDataFile && metadata.DataFile is null) || (metadata.Header.Encryption != Qcow2Encryption.None && keys.Cipher is null);
        Guest = new Qcow2Guest(metadata, keys.Cipher) { Backing = backing };
        _compressed = new CompressedClusters(Guest);
        _always = metadata.DataNode.Limits.WritesAreDurable || metadata.File.Limits.WritesAreDurable ? WriteFlags.Durable : WriteFlags.None;
        Reader = new Qcow2Reader(Guest, _compressed);
        Writer = new Qcow2Writer(Guest, Reader, _compressed);
        Unmapper = new Qcow2Unmapper(Guest, Writer);
        Resizer = new Qcow2Resizer(Guest, Writer, Unmapper);
        Recorder = new Qcow2Recorder(bitmaps, metadata, Writer, Unmapper);
        Limits = new BlockLimits
        {
            IsReadOnly = options.ReadOnly,
            RequestAlignmentBytes = keys.Cipher is { } cipher ? cipher.SectorBytes : 1,
            PhysicalBlockBytes = metadata.File.Limits.PhysicalBlockBytes,
            CanDiscard = !options.ReadOnly,
            DiscardAlignmentBytes = metadata.Geometry.ClusterBytes,
            HasFastZeroes = !options.ReadOnly && metadata.Geometry.HasZeroClusters,
            WritesAreDurable = _always != WriteFlags.None,
        };
    }

    /// <summary>The metadata's owner.</summary>
    internal Qcow2Metadata Metadata { get; }

    /// <summary>The header of an image that is encrypted with LUKS; null for others.</summary>
    internal LuksVolume? Luks { get; }

    /// <summary>Persistent bitmaps.</summary>
    internal Qcow2Bitmaps DirtyBitmaps { get; }

    /// <summary>What the data path works with.</summary>
    internal Qcow2Guest Guest { get; }

    /// <summary>Reads of the disk and of the machine's state, which lies behind it.</summary>
    internal Qcow2Reader Reader { get; }

    /// <summary>Writes.</summary>
    internal Qcow2Writer Writer { get; }

    /// <summary>Zeroes and discards.</summary>
    internal Qcow2Unmapper Unmapper { get; }

    /// <summary>Changes of the disk on their way, for bitmaps to hear of.</summary>
    internal Qcow2Recorder Recorder { get; }

    /// <summary>Changes of length.</summary>
    internal Qcow2Resizer Resizer { get; }

    /// <inheritdoc/>
    public override ImageFormat Format => Qcow2Format.Instance;

    /// <inheritdoc/>
    public override long LengthBytes => Metadata.Header.LengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override int ClusterBytes => Metadata.Geometry.ClusterBytes;

    /// <inheritdoc/>
    public override bool CanCompress => !Metadata.Header.HasDataFile && Metadata.Header.Encryption == Qcow2Encryption.None;

    /// <inheritdoc/>
    public override bool IsEncrypted => Metadata.Header.Encryption != Qcow2Encryption.None;

    /// <inheritdoc/>
    // What nobody wrote decrypts to noise, where it has a cluster; preallocated images have all their L2 tables.
    public override bool IsZeroWhenNew => Metadata.L2.L1 is not [not 0, ..] || (!IsEncrypted && Metadata.DataNode.IsZeroWhenNew);

    /// <inheritdoc/>
    public override bool IsDirty => Metadata.Header.Has(Qcow2Features.Dirty);

    /// <inheritdoc/>
    public override ImageReference? BackingReference =>
        Metadata.Header.BackingName is { } name ? new(ImageReferenceKind.Backing, name, Metadata.Header.BackingFormat) : null;

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children
    {
        get
        {
            ImmutableArray<BlockEdge>.Builder edges = ImmutableArray.CreateBuilder<BlockEdge>(3);
            edges.Add(new(BlockEdgeKind.Protocol, Metadata.File));
            if (Metadata.DataFile is { } data) edges.Add(new(BlockEdgeKind.Protocol, data));
            if (Guest.Backing is { } backing) edges.Add(new(BlockEdgeKind.Backing, backing));
            return edges.ToImmutable();
        }
    }

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRequest(offset, destination.LengthBytes, cancellation);
        return destination.LengthBytes == 0 ? ValueTask.CompletedTask : Reader.ReadAsync(offset, destination, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWrite(offset, source.LengthBytes, cancellation);
        if (source.LengthBytes == 0) return ValueTask.CompletedTask;
        bool packs = (flags & WriteFlags.Compressed) != 0;
        if (packs) CheckWholeCluster(offset, source.LengthBytes);
        ValueTask write = Recorder.WriteAsync(offset, source, packs, cancellation);
        return ((flags | _always) & WriteFlags.Durable) == 0 ? write : ThenFlushAsync(write, cancellation);
    }

    /// <inheritdoc/>
    public int Compress(ReadOnlySpan<byte> cluster, Span<byte> destination) => _compressed.Compress(cluster, destination);

    /// <inheritdoc/>
    public ValueTask WriteCompressedAsync(long offset, IoVector compressed, CancellationToken cancellation)
    {
        CheckWrite(offset, Math.Min(ClusterBytes, LengthBytes - offset), cancellation);
        CheckCompressed(offset);
        return Recorder.PlaceCompressedAsync(offset, compressed, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckWrite(offset, lengthBytes, cancellation);
        ValueTask write = Recorder.WriteZeroesAsync(offset, lengthBytes, flags, cancellation);
        return ((flags | _always) & WriteFlags.Durable) == 0 ? write : ThenFlushAsync(write, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckWrite(offset, lengthBytes, cancellation);
        return Recorder.DiscardAsync(offset, lengthBytes, cancellation);
    }

    /// <inheritdoc/>
    public override async ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (Limits.IsReadOnly || Metadata.ShowsSnapshot || Metadata.IsOutdated) return;
        Metadata.CheckWritable();
        try
        {
            await Metadata.FlushAsync(cancellation).ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await Metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        CheckRange(offset, lengthBytes);
        try
        {
            return await FindExtentAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await Metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override async ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        CheckWrite(0, 0, cancellation);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        await GuardAsync(Recorder.ResizeAsync(Resizer, lengthBytes, preallocation, cancellation)).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask SetBackingReferenceAsync(string? name, string? format, CancellationToken cancellation)
    {
        CheckWrite(0, 0, cancellation);
        if (name is not null && System.Text.Encoding.UTF8.GetByteCount(name) > Qcow2Limits.MaxBackingNameBytes) throw new ImageException("Backing file name too long");
        if (name is not null && Metadata.Header.IsDataFileRaw) throw new ImageException("Backing file and data-file-raw cannot be used at the same time");
        await Metadata.UpdateHeaderAsync(header => header with { BackingName = name, BackingFormat = name is null ? null : format }, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask MakeEmptyAsync(CancellationToken cancellation)
    {
        CheckWrite(0, 0, cancellation);
        try
        {
            await Resizer.MakeEmptyAsync(cancellation).ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await Metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<KeyValuePair<string, object>>? DescribeSpecifics() => Qcow2Specifics.Describe(Metadata.Header, DirtyBitmaps.All, Luks);

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        try
        {
            if (!Limits.IsReadOnly && !Metadata.IsCorrupt && !Metadata.ShowsSnapshot && !Metadata.IsOutdated)
            {
                await StoreAtCloseAsync().ConfigureAwait(false);
                await Metadata.SettleAsync().ConfigureAwait(false);
                await Metadata.TrimFileAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            DirtyBitmaps.Dispose();
            Guest.Buffers.Dispose();
            Metadata.Dispose();
            if (Guest.Backing is { } backing) await backing.DisposeAsync().ConfigureAwait(false);
            if (_ownsData && Metadata.DataFile is { } data) await data.DisposeAsync().ConfigureAwait(false);
            if (_ownsFile) await Metadata.File.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Does what comes before the first write: unknown autoclear bits go, refcounts that are behind are made right.</summary>
    internal async ValueTask PrepareToWriteAsync(CancellationToken cancellation)
    {
        lock (Metadata.Sync) Metadata.MapMetadata();
        await Metadata.MapInactiveTablesAsync(cancellation).ConfigureAwait(false);
        // Bitmaps that another program has missed writes of are gone from the header as it was read.
        if ((Metadata.Header.Autoclear & ~Qcow2Features.KnownAutoclear) != 0 || Metadata.Header.Warning is not null)
            await Metadata.UpdateHeaderAsync(static header => header with { Autoclear = header.Autoclear & Qcow2Features.KnownAutoclear, Warning = null }, cancellation).ConfigureAwait(false);
        if (!Metadata.NeedsRepair || _options.ForCheck) return;
        // Refcounts are behind: clusters that are in use would be taken for free ones.
        Qcow2Check check = new(Metadata, ImageRepair.Leaks | ImageRepair.Errors, _options.Report ?? (static _ => { }));
        ImageCheckResult result = await check.RunAsync(cancellation).ConfigureAwait(false);
        if (Metadata.NeedsRepair) throw new ImageException("Could not repair dirty image", $"{result.Corruptions} errors remain; run 'check -r all' on the image.");
    }

    private async ValueTask<BlockExtent> FindExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        BlockExtent? extent = null;
        long found = 0;
        while (found < lengthBytes)
        {
            cancellation.ThrowIfCancellationRequested();
            GuestRun run = default;
            long at = offset + found;
            await Metadata.TakeAsync(() => Metadata.L2.TryLookup(at, lengthBytes - found, out run)).ConfigureAwait(false);
            if (run.Kind == SubclusterKind.Data) _preallocated ??= await Qcow2Preallocation.IsPreallocatedAsync(Metadata).ConfigureAwait(false);
            BlockExtent next = ToExtent(run);
            if (extent is { } first && (first.Kind != next.Kind || first.IsCompressed != next.IsCompressed
                || (first.FileOffset < 0) != (next.FileOffset < 0) || (first.FileOffset >= 0 && next.FileOffset != first.FileOffset + found))) break;
            extent ??= next;
            found += run.LengthBytes;
            // Compressed clusters are told one by one, as they have no place in common.
            if (run.Kind == SubclusterKind.Compressed) break;
        }
        return extent!.Value with { LengthBytes = found };
    }

    private BlockExtent ToExtent(GuestRun run)
    {
        BlockExtentKind kind = run.Kind switch
        {
            SubclusterKind.Data or SubclusterKind.Compressed => BlockExtentKind.Data,
            SubclusterKind.Zero or SubclusterKind.ZeroInPlace => BlockExtentKind.Zero,
            _ => BlockExtentKind.Unallocated,
        };
        BlockExtent extent = new(kind, run.LengthBytes)
        {
            IsCompressed = run.Kind == SubclusterKind.Compressed,
            IsPreallocated = run.Kind == SubclusterKind.Data && _preallocated == true,
        };
        bool hasPlace = run.Kind is SubclusterKind.Data or SubclusterKind.ZeroInPlace or SubclusterKind.UnallocatedInPlace;
        return hasPlace && !IsEncrypted ? extent with { FileOffset = run.HostOffset, File = Metadata.DataNode } : extent;
    }

    private void CheckWholeCluster(long offset, long lengthBytes)
    {
        CheckCompressed(offset);
        if (lengthBytes > ClusterBytes || (lengthBytes != ClusterBytes && offset + lengthBytes != LengthBytes))
            throw new ArgumentOutOfRangeException(nameof(lengthBytes), "A compressed write is one whole cluster.");
    }

    private void CheckCompressed(long offset)
    {
        if (!CanCompress) throw new BlockIoException($"\"{Filename}\" cannot have compressed clusters.", BlockIoException.Enotsup);
        if (Metadata.Geometry.InCluster(offset) != 0) throw new ArgumentOutOfRangeException(nameof(offset), "A compressed write is one whole cluster.");
    }

    private async ValueTask ThenFlushAsync(ValueTask write, CancellationToken cancellation)
    {
        await write.ConfigureAwait(false);
        await FlushAsync(cancellation).ConfigureAwait(false);
    }

    private void CheckRequest(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        if (_noData) throw new BlockIoException($"\"{Filename}\" was opened without its data.", BlockIoException.Enotsup);
    }

    private void CheckWrite(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRequest(offset, lengthBytes, cancellation);
        if (Limits.IsReadOnly) throw new BlockIoException($"\"{Filename}\" was opened read-only.");
    }
}
