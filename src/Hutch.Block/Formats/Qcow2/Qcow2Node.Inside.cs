using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>What an image can beside being a disk: snapshots, a machine's state, checks, changes of its options. Each is a class of its own.</summary>
internal sealed partial class Qcow2Node : IImageSnapshots, IImageVmState, IImageCheck, IImageAmend
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
        return GuardAsync(Inner.LoadAsync(idOrName, cancellation));
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
