using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Simulation;

/// <summary>
/// Storage in memory that records every write and flush, so that <see cref="CrashReplay"/> can show what a power loss at any moment may have left.
/// Requests complete at once, or in the order that <see cref="Delay"/> gives them.
/// </summary>
internal sealed class RecordingNode : BlockNode
{
    private readonly Lock _lock = new();
    private readonly List<StorageEvent> _events = [];
    private readonly MemoryNode _now;
    private long _moment;

    /// <summary>Begins with the content of <paramref name="initial"/>, which is copied and durable.</summary>
    internal RecordingNode(MemoryNode initial)
    {
        Initial = initial.Copy();
        _now = initial.Copy();
    }

    /// <summary>The content at moment 0.</summary>
    internal MemoryNode Initial { get; }

    /// <summary>Awaited twice in each request that changes storage: before it has its effect and before it completes. Null: at once.</summary>
    internal Func<StorageEvent, ValueTask>? Delay { get; set; }

    /// <summary>The last moment so far.</summary>
    internal long Moment
    {
        get
        {
            lock (_lock) return _moment;
        }
    }

    /// <summary>What was recorded so far, in the order in which requests began.</summary>
    internal StorageEvent[] TakeEvents()
    {
        lock (_lock) return [.. _events];
    }

    /// <inheritdoc/>
    public override long LengthBytes => _now.LengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits => _now.Limits;

    /// <inheritdoc/>
    public override string Filename => "recording:";

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation) => _now.ReadAsync(offset, destination, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckFile(offset, source.LengthBytes);
        cancellation.ThrowIfCancellationRequested();
        byte[] data = new byte[source.LengthBytes];
        source.CopyTo(data);
        return Change(Begin(StorageEventKind.Write, offset, data.Length, data, (flags & WriteFlags.Durable) != 0));
    }

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckFile(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        return Change(Begin(StorageEventKind.Zeroes, offset, lengthBytes, default, (flags & WriteFlags.Durable) != 0));
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckFile(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        return Change(Begin(StorageEventKind.Discard, offset, lengthBytes, default, false));
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        return Change(Begin(StorageEventKind.Flush, 0, 0, default, true));
    }

    /// <inheritdoc/>
    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        return Change(Begin(StorageEventKind.Resize, lengthBytes, 0, default, false));
    }

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) =>
        await _now.GetExtentAsync(offset, lengthBytes, cancellation).ConfigureAwait(false) with { File = this };

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Gives an event its effect on <paramref name="storage"/>.</summary>
    internal static void Apply(StorageEvent change, MemoryNode storage)
    {
        switch (change.Kind)
        {
            case StorageEventKind.Write:
                storage.Write(change.Offset, change.Data.Span);
                break;
            case StorageEventKind.Zeroes:
                storage.Clear(change.Offset, change.LengthBytes);
                break;
            case StorageEventKind.Discard:
                long inside = Math.Clamp(storage.LengthBytes - change.Offset, 0, change.LengthBytes);
                if (inside != 0) storage.Clear(change.Offset, inside);
                break;
            case StorageEventKind.Resize:
                storage.SetLength(change.Offset);
                break;
            default:
                break;
        }
    }

    private StorageEvent Begin(StorageEventKind kind, long offset, long lengthBytes, ReadOnlyMemory<byte> data, bool durable)
    {
        lock (_lock)
        {
            StorageEvent begun = new() { Kind = kind, Offset = offset, LengthBytes = lengthBytes, Data = data, IsDurable = durable, BegunAt = ++_moment };
            _events.Add(begun);
            return begun;
        }
    }

    private ValueTask Change(StorageEvent begun)
    {
        if (Delay is not null) return ChangeLater(begun, Delay);
        Apply(begun, _now);
        Complete(begun);
        return ValueTask.CompletedTask;
    }

    private async ValueTask ChangeLater(StorageEvent begun, Func<StorageEvent, ValueTask> delay)
    {
        await delay(begun).ConfigureAwait(false);
        Apply(begun, _now);
        await delay(begun).ConfigureAwait(false);
        Complete(begun);
    }

    private void Complete(StorageEvent begun)
    {
        lock (_lock) begun.CompletedAt = ++_moment;
    }

    private static void CheckFile(long offset, long lengthBytes)
    {
        if (offset < 0 || lengthBytes < 0 || offset > long.MaxValue - lengthBytes)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{lengthBytes} bytes at {offset} are not a range of a file.");
    }
}
