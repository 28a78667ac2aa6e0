using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>A node of 1 MiB whose requests stay in flight until the test ends them, in the order of its choice. Reads leave the memory as it is.</summary>
internal sealed class PendingNode : BlockNode
{
    private readonly List<Pending> _pending = [];
    private long _length = 1 << 20;

    /// <summary>One request: what it is, where, and its end.</summary>
    internal sealed record Pending(string Kind, long Offset, long LengthBytes, TaskCompletionSource End);

    /// <summary>Requests fail at once, with this errno; 0: they stay in flight.</summary>
    internal int FailWith { get; set; }

    /// <summary>Requests complete before their call returns.</summary>
    internal bool IsPrompt { get; set; }

    internal bool IsDisposed { get; private set; }

    public override long LengthBytes => _length;

    public override string Filename => "pending";

    public override BlockLimits Limits { get; } = new() { CanDiscard = true };

    /// <summary>Waits until so many are in flight; the first that came first.</summary>
    internal Pending[] WaitFor(int count)
    {
        lock (_pending)
        {
            while (_pending.Count < count)
                if (!Monitor.Wait(_pending, TimeSpan.FromSeconds(20))) throw new TimeoutException($"{_pending.Count} requests of {count} came.");
            return [.. _pending];
        }
    }

    /// <summary>Ends one; with <paramref name="errno"/> it fails.</summary>
    internal void End(Pending pending, int errno = 0)
    {
        lock (_pending) _pending.Remove(pending);
        if (errno == 0) pending.End.SetResult();
        else pending.End.SetException(new BlockIoException("No luck.", errno));
    }

    internal void EndAll()
    {
        Pending[] all;
        lock (_pending) all = [.. _pending];
        foreach (Pending pending in all.Reverse()) End(pending);
    }

    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation) => Add("read", offset, destination.LengthBytes);

    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => Add((flags & WriteFlags.Durable) != 0 ? "durable write" : "write", offset, source.LengthBytes);

    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) => Add("zero", offset, lengthBytes);

    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => Add("discard", offset, lengthBytes);

    public override ValueTask FlushAsync(CancellationToken cancellation) => IsDisposing ? default : Add("flush", 0, 0);

    /// <summary>The flush of a disk that is closed or saved does not wait for the test.</summary>
    internal bool IsDisposing { get; set; }

    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) => new(new BlockExtent(BlockExtentKind.Data, lengthBytes));

    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        if (FailWith != 0) throw new BlockIoException("No room.", FailWith);
        _length = lengthBytes;
        return default;
    }

    public override ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return default;
    }

    private ValueTask Add(string kind, long offset, long lengthBytes)
    {
        if (FailWith != 0) return ValueTask.FromException(new BlockIoException("No luck.", FailWith));
        if (IsPrompt) return default;
        Pending pending = new(kind, offset, lengthBytes, new TaskCompletionSource());
        lock (_pending)
        {
            _pending.Add(pending);
            Monitor.PulseAll(_pending);
        }
        return new ValueTask(pending.End.Task);
    }
}
