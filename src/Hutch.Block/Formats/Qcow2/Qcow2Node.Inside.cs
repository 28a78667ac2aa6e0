using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>What an image can beside being a disk: snapshots, a machine's state, dirty bitmaps, checks, changes of its options. Each is a class of its own.</summary>
internal sealed partial class Qcow2Node : IImageSnapshots, IImageVmState, IImageBitmaps, IImageCheck, IImageAmend
{
    private Qcow2Snapshots? _snapshots;

    /// <inheritdoc/>
    public IReadOnlyList<ImageSnapshot> Snapshots => Inner.List();

    /// <inheritdoc/>
    public long VmStateOffset => Guest.VmStateStart(LengthBytes);

    private Qcow2Snapshots Inner => _snapshots ??= new Qcow2Snapshots(Guest, Unmapper);

    /// <inheritdoc/>
    public ValueTask CreateSnapshotAsync(ImageSnapshot snapshot, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        CheckWrite(0, 0, cancellation);
        return GuardAsync(Inner.CreateAsync(snapshot, cancellation));
    }

    /// <inheritdoc/>
    public ValueTask ApplySnapshotAsync(string idOrName, CancellationToken cancellation)
    {
        CheckWrite(0, 0, cancellation);
        if (DirtyBitmaps.All.Length != 0) throw new ImageException("Device has active dirty bitmaps");
        return GuardAsync(Inner.ApplyAsync(idOrName, cancellation));
    }

    /// <inheritdoc/>
    public ValueTask DeleteSnapshotAsync(string idOrName, CancellationToken cancellation)
    {
        CheckWrite(0, 0, cancellation);
        return GuardAsync(Inner.DeleteAsync(idOrName, cancellation));
    }

    /// <inheritdoc/>
    public ValueTask LoadSnapshotAsync(string idOrName, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return GuardAsync(LoadWithBitmapsAsync(idOrName, cancellation));
    }

    /// <inheritdoc/>
    public ValueTask ReadVmStateAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        CheckRequest(0, 0, cancellation);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        return destination.LengthBytes == 0 ? ValueTask.CompletedTask : Reader.ReadAsync(checked(Guest.VmStateStart(LengthBytes) + offset), destination, cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask WriteVmStateAsync(long offset, IoVector source, CancellationToken cancellation)
    {
        CheckWrite(0, 0, cancellation);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (source.LengthBytes == 0) return;
        long start = checked(Guest.VmStateStart(LengthBytes) + offset), last = checked(start + source.LengthBytes - 1);
        Metadata.CheckWritable();
        await GuardAsync(Resizer.GrowL1Async((last >> Metadata.Geometry.L1SpanBits) + 1, exact: false, cancellation)).ConfigureAwait(false);
        await Writer.WriteAsync(start, source, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask<ImageCheckResult> CheckAsync(ImageRepair repair, Action<string> report, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(report);
        cancellation.ThrowIfCancellationRequested();
        if (repair != ImageRepair.None) CheckWrite(0, 0, cancellation);
        return new Qcow2Check(Metadata, repair, report).RunAsync(cancellation);
    }

    /// <inheritdoc/>
    public ValueTask AmendAsync(IReadOnlyDictionary<string, string> options, bool force, Action<double>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(options);
        CheckWrite(0, 0, cancellation);
        Metadata.CheckWritable();
        return GuardAsync(new Qcow2Amend(this).RunAsync(options, progress, cancellation));
    }

    /// <inheritdoc/>
    public IReadOnlyList<ImageBitmap> Bitmaps
    {
        get
        {
            List<ImageBitmap> all = [];
            foreach (Qcow2Bitmap bitmap in DirtyBitmaps.All) all.Add(bitmap.ToImageBitmap());
            return all;
        }
    }

    /// <inheritdoc/>
    public ValueTask AddBitmapAsync(string name, long granularityBytes, bool enabled, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentOutOfRangeException.ThrowIfNegative(granularityBytes);
        CheckChange(cancellation);
        return GuardAsync(DirtyBitmaps.AddAsync(name, granularityBytes, enabled));
    }

    /// <inheritdoc/>
    public ValueTask RemoveBitmapAsync(string name, CancellationToken cancellation)
    {
        CheckChange(cancellation);
        return GuardAsync(DirtyBitmaps.RemoveAsync(name));
    }

    /// <inheritdoc/>
    public ValueTask ClearBitmapAsync(string name, CancellationToken cancellation)
    {
        CheckChange(cancellation);
        return GuardAsync(DirtyBitmaps.ClearAsync(name));
    }

    /// <inheritdoc/>
    public ValueTask EnableBitmapAsync(string name, bool enabled, CancellationToken cancellation)
    {
        CheckChange(cancellation);
        return GuardAsync(DirtyBitmaps.EnableAsync(name, enabled));
    }

    /// <inheritdoc/>
    public async ValueTask MergeBitmapAsync(string name, IImageBitmaps source, string sourceName, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(source);
        CheckChange(cancellation);
        _ = DirtyBitmaps.Require(name);
        // Whether the source can be read shows before anything changes.
        long length = LengthBytes, other = source is BlockNode node ? node.LengthBytes : length;
        if (other != length)
            throw new ImageException(string.Create(null, $"Bitmaps are of different sizes (destination size is {length}, source size is {other}) and can't be merged"));
        if (length == 0) return;
        (bool isDirty, long run) = await source.GetDirtyExtentAsync(sourceName, 0, cancellation).ConfigureAwait(false);
        await GuardAsync(DirtyBitmaps.BeginMergeAsync(name)).ConfigureAwait(false);
        for (long at = 0; ; (isDirty, run) = await source.GetDirtyExtentAsync(sourceName, at, cancellation).ConfigureAwait(false))
        {
            if (isDirty) DirtyBitmaps.Set(name, at, run);
            at += run;
            if (at >= length) return;
        }
    }

    /// <inheritdoc/>
    public ValueTask<(bool IsDirty, long LengthBytes)> GetDirtyExtentAsync(string name, long offset, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        CheckRange(offset, 1);
        return DirtyBitmaps.RunAtAsync(name, offset);
    }

    /// <inheritdoc/>
    public ValueTask StoreBitmapsAsync(CancellationToken cancellation)
    {
        CheckChange(cancellation);
        return GuardAsync(DirtyBitmaps.StoreAsync());
    }

    private void CheckChange(CancellationToken cancellation)
    {
        CheckWrite(0, 0, cancellation);
        Metadata.CheckWritable();
    }

    // A snapshot that is shown may have another length, and nothing is written any more.
    private async ValueTask LoadWithBitmapsAsync(string idOrName, CancellationToken cancellation)
    {
        if (!Limits.IsReadOnly) await DirtyBitmaps.StoreAsync().ConfigureAwait(false);
        await Inner.LoadAsync(idOrName, cancellation).ConfigureAwait(false);
    }

    // The disk is closed properly even where its bitmaps cannot be stored: these stay in use on disk, and so mean nothing.
    private async ValueTask StoreAtCloseAsync()
    {
        try
        {
            await GuardAsync(DirtyBitmaps.StoreAsync()).ConfigureAwait(false);
        }
        catch (Exception e) when (e is BlockIoException or ImageException)
        {
            Metadata.Settings.Report?.Invoke($"\"{Filename}\": its persistent bitmaps could not be stored and are lost: {e.Message}");
        }
    }

    private async ValueTask GuardAsync(ValueTask work)
    {
        try
        {
            await work.ConfigureAwait(false);
        }
        catch (Qcow2CorruptException e)
        {
            throw await Metadata.SignalCorruptionAsync(e).ConfigureAwait(false);
        }
    }
}
