using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Filters;

/// <summary>
/// Lets requests fail or wait as rules say, to test what is above. With an alignment it does unaligned writes by reading, changing and writing whole
/// blocks, one at a time where they overlap, and raises the events of each step (pwritev_rmw_head, pwritev_rmw_after_head, pwritev_rmw_tail,
/// pwritev_rmw_after_tail, pwritev, pwritev_done).
/// </summary>
internal sealed class BlkdebugNode(BlockNode child, BlkdebugRules rules, int alignmentBytes) : FilterNode(child)
{
    private readonly Lock _lock = new();
    private readonly List<BlkdebugRule> _rules = [.. rules.Rules];
    private readonly List<BlkdebugInjection> _active = Standing(rules.Rules);
    private readonly List<(string Tag, TaskCompletionSource Gate)> _suspended = [];
    private readonly List<TrackedWrite> _writes = [];
    private int _state = 1;

    /// <summary>Hears of requests that are suspended and resumed; may be null.</summary>
    internal Action<string>? Report { get; set; }

    /// <summary>A later request that raises <paramref name="eventName"/> waits under the name <paramref name="tag"/>.</summary>
    internal void AddBreakpoint(string eventName, string tag)
    {
        lock (_lock) _rules.Add(new BlkdebugBreakpoint(eventName, 0, tag));
    }

    /// <summary>Removes breakpoints of this name and lets those that wait go on. False where there is none.</summary>
    internal bool RemoveBreakpoint(string tag)
    {
        int removed;
        lock (_lock) removed = _rules.RemoveAll(rule => rule is BlkdebugBreakpoint point && point.Tag == tag);
        bool any = removed > 0;
        while (Resume(tag)) any = true;
        return any;
    }

    /// <summary>Lets a request that waits under this name go on. False where there is none.</summary>
    internal bool Resume(string tag)
    {
        TaskCompletionSource gate;
        lock (_lock)
        {
            int index = _suspended.FindIndex(entry => entry.Tag == tag);
            if (index < 0) return false;
            gate = _suspended[index].Gate;
            _suspended.RemoveAt(index);
        }
        Report?.Invoke($"blkdebug: Resuming request '{tag}'");
        gate.SetResult();
        return true;
    }

    /// <summary>Whether a request waits under this name.</summary>
    internal bool IsSuspended(string tag)
    {
        lock (_lock) return _suspended.Exists(entry => entry.Tag == tag);
    }

    /// <summary>An event happens that nobody can wait at.</summary>
    internal void Raise(string eventName)
    {
        lock (_lock) Apply(eventName);
    }

    /// <inheritdoc/>
    public override async ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        Check(BlkdebugRequest.Read, offset, destination.LengthBytes);
        await Child.ReadAsync(offset, destination, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, source.LengthBytes);
        long head = offset % alignmentBytes, tail = (alignmentBytes - ((offset + source.LengthBytes) % alignmentBytes)) % alignmentBytes;
        TrackedWrite write = await BeginAsync(offset - head, offset + source.LengthBytes + tail, head != 0 || tail != 0).ConfigureAwait(false);
        try
        {
            if (head == 0 && tail == 0) await WriteAlignedAsync(offset, source, flags, cancellation).ConfigureAwait(false);
            else await ReadModifyWriteAsync(write, offset, source, flags, cancellation).ConfigureAwait(false);
        }
        finally
        {
            lock (_lock) _writes.Remove(write);
            write.Done.SetResult();
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        Check(BlkdebugRequest.WriteZeroes, offset, lengthBytes);
        await Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        Check(BlkdebugRequest.Discard, offset, lengthBytes);
        await Child.DiscardAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask FlushAsync(CancellationToken cancellation)
    {
        await RaiseAsync("flush_to_os").ConfigureAwait(false);
        Check(BlkdebugRequest.Flush, 0, 0);
        await Child.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        Check(BlkdebugRequest.BlockStatus, offset, lengthBytes);
        return await Child.GetExtentAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
    }

    private static List<BlkdebugInjection> Standing(List<BlkdebugRule> rules)
    {
        List<BlkdebugInjection> standing = [];
        foreach (BlkdebugRule rule in rules)
            if (rule is BlkdebugInjection { Event: "none" } injection) standing.Add(injection);
        return standing;
    }

    private async ValueTask RaiseAsync(string eventName)
    {
        Task? wait;
        BlkdebugBreakpoint? hit;
        lock (_lock)
        {
            hit = Apply(eventName);
            wait = null;
            if (hit is not null)
            {
                TaskCompletionSource gate = new();
                _suspended.Add((hit.Tag, gate));
                wait = gate.Task;
            }
        }
        if (wait is null) return;
        Report?.Invoke($"blkdebug: Suspended request '{hit!.Tag}'");
        await wait.ConfigureAwait(false);
    }

    // What the event's rules do; the breakpoint that was hit, which is gone then. The lock is held.
    private BlkdebugBreakpoint? Apply(string eventName)
    {
        int state = _state;
        BlkdebugBreakpoint? hit = null;
        bool fresh = true;
        foreach (BlkdebugRule rule in _rules.ToArray())
        {
            if (rule.Event != eventName || (rule.State != 0 && rule.State != state)) continue;
            switch (rule)
            {
                case BlkdebugInjection injection:
                    if (fresh) _active.RemoveAll(static active => active.Event != "none");
                    fresh = false;
                    _active.Add(injection);
                    break;
                case BlkdebugTransition transition:
                    _state = transition.NewState;
                    break;
                case BlkdebugBreakpoint breakpoint when hit is null:
                    hit = breakpoint;
                    _rules.Remove(breakpoint);
                    break;
            }
        }
        return hit;
    }

    private void Check(BlkdebugRequest request, long offset, long lengthBytes)
    {
        lock (_lock)
        {
            foreach (BlkdebugInjection rule in _active)
            {
                if (rule.Request is null ? request == BlkdebugRequest.BlockStatus : rule.Request != request) continue;
                if (rule.Offset >= 0 && (rule.Offset < offset || rule.Offset >= offset + lengthBytes)) continue;
                if (rule.Once) _active.Remove(rule);
                throw new BlockIoException($"\"{Filename}\": an injected error.", rule.Errno);
            }
        }
    }

    // Waits for those that overlap, where either of the two changes parts of blocks; not for one that waits itself, for it looks again when it wakes up.
    private async ValueTask<TrackedWrite> BeginAsync(long start, long end, bool isAlone)
    {
        TrackedWrite write = new(start, end, isAlone);
        lock (_lock) _writes.Add(write);
        while (true)
        {
            TrackedWrite? other;
            lock (_lock)
            {
                other = _writes.Find(each => each != write && !each.IsWaiting && each.Start < end && start < each.End && (each.IsAlone || isAlone));
                write.IsWaiting = other is not null;
            }
            if (other is null) return write;
            await other.Done.Task.ConfigureAwait(false);
        }
    }

    private async ValueTask ReadModifyWriteAsync(TrackedWrite write, long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        int length = checked((int)(Math.Min(write.End, LengthBytes) - write.Start)), head = (int)(offset - write.Start);
        int tail = (int)(write.End - offset - source.LengthBytes);
        using NativeBuffer buffer = new(checked((int)(write.End - write.Start)));
        bool isOneRead = buffer.LengthBytes <= alignmentBytes || (buffer.LengthBytes == 2 * alignmentBytes && head != 0 && tail != 0);
        if (head != 0 || isOneRead)
        {
            if (head != 0) await RaiseAsync("pwritev_rmw_head").ConfigureAwait(false);
            if (isOneRead && tail != 0) await RaiseAsync("pwritev_rmw_tail").ConfigureAwait(false);
            await ReadAsync(write.Start, Part(buffer, 0, Math.Min(length, isOneRead ? length : alignmentBytes)), cancellation).ConfigureAwait(false);
            if (head != 0) await RaiseAsync("pwritev_rmw_after_head").ConfigureAwait(false);
            if (isOneRead && tail != 0) await RaiseAsync("pwritev_rmw_after_tail").ConfigureAwait(false);
        }
        if (tail != 0 && !isOneRead)
        {
            await RaiseAsync("pwritev_rmw_tail").ConfigureAwait(false);
            int last = buffer.LengthBytes - alignmentBytes;
            await ReadAsync(write.Start + last, Part(buffer, last, length - last), cancellation).ConfigureAwait(false);
            await RaiseAsync("pwritev_rmw_after_tail").ConfigureAwait(false);
        }
        source.CopyTo(buffer.Span[head..]);
        await WriteAlignedAsync(write.Start, Part(buffer, 0, length), flags, cancellation).ConfigureAwait(false);
    }

    private async ValueTask WriteAlignedAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        await RaiseAsync("pwritev").ConfigureAwait(false);
        Check(BlkdebugRequest.Write, offset, source.LengthBytes);
        await Child.WriteAsync(offset, source, flags, cancellation).ConfigureAwait(false);
        await RaiseAsync("pwritev_done").ConfigureAwait(false);
    }

    private static IoVector Part(NativeBuffer buffer, int offset, int length) => new(new[] { buffer.Segment(offset, length) });

    private sealed class TrackedWrite(long start, long end, bool isAlone)
    {
        internal long Start { get; } = start;

        internal long End { get; } = end;

        internal bool IsAlone { get; } = isAlone;

        internal bool IsWaiting { get; set; }

        internal TaskCompletionSource Done { get; } = new();
    }
}
