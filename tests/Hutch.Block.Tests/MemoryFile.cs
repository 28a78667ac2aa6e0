using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Tests;

/// <summary>What a node did to its storage.</summary>
internal enum FileEventKind
{
    Write,
    Zero,
    Discard,
    Resize,
    Flush,
}

/// <summary>One of these, for replaying.</summary>
internal sealed record FileEvent(FileEventKind Kind, long Offset, long LengthBytes, byte[]? Data);

/// <summary>A file in memory that can record what is done to it, refuse requests, and complete them late.</summary>
internal sealed class MemoryFile : BlockNode
{
    private byte[] _bytes;
    private long _length;
    private BlockLimits _limits = new() { CanDiscard = true, HasFastZeroes = true };

    internal MemoryFile(byte[]? content = null)
    {
        _bytes = content ?? [];
        _length = _bytes.Length;
    }

    /// <summary>Everything that was done, in order; null while nothing is recorded.</summary>
    internal List<FileEvent>? Events { get; set; }

    /// <summary>Called before each write; may throw.</summary>
    internal Action<long, long>? BeforeWrite { get; set; }

    /// <summary>Awaited before each write of data takes effect, after <see cref="BeforeWrite"/>.</summary>
    internal Func<long, long, Task>? HoldWrite { get; set; }

    /// <summary>Awaited before each read.</summary>
    internal Func<long, long, Task>? HoldRead { get; set; }

    /// <summary>Awaited before each discard takes effect.</summary>
    internal Func<long, long, Task>? HoldDiscard { get; set; }

    /// <summary>Reads behind this fail, as a disk would.</summary>
    internal long Limit { get; set; } = long.MaxValue;

    /// <summary>As a device, it may have something in it from before.</summary>
    internal bool IsUsed { get; init; }

    /// <summary>As a file that is opened with writethrough.</summary>
    internal void MakeWritesDurable() => _limits = _limits with { WritesAreDurable = true };

    internal bool Disposed { get; private set; }

    public override bool IsZeroWhenNew => !IsUsed;

    public override long LengthBytes => Volatile.Read(ref _length);

    public override BlockLimits Limits => _limits;

    public override string Filename => "memory";

    internal byte[] Content
    {
        get
        {
            lock (this) return _bytes[..(int)_length];
        }
    }

    public override async ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (offset > Limit) throw new BlockIoException("Too far.");
        if (HoldRead is { } hold) await hold(offset, destination.LengthBytes);
        lock (this)
        {
            destination.Clear();
            if (offset < _length) destination.CopyFrom(_bytes.AsSpan((int)offset, (int)Math.Min(destination.LengthBytes, _length - offset)));
        }
    }

    public override async ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        BeforeWrite?.Invoke(offset, source.LengthBytes);
        if (HoldWrite is { } hold) await hold(offset, source.LengthBytes);
        lock (this)
        {
            byte[] data = new byte[source.LengthBytes];
            source.CopyTo(data);
            Reach(offset + data.Length);
            data.CopyTo(_bytes, offset);
            Events?.Add(new(FileEventKind.Write, offset, data.Length, data));
        }
    }

    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        BeforeWrite?.Invoke(offset, lengthBytes);
        lock (this)
        {
            Reach(offset + lengthBytes);
            _bytes.AsSpan((int)offset, (int)lengthBytes).Clear();
            Events?.Add(new(FileEventKind.Zero, offset, lengthBytes, null));
        }
        return ValueTask.CompletedTask;
    }

    public override async ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (HoldDiscard is { } hold) await hold(offset, lengthBytes);
        lock (this)
        {
            // Garbage, so that who relies on discarded bytes is found out.
            if (offset < _length) _bytes.AsSpan((int)offset, (int)Math.Min(lengthBytes, _length - offset)).Fill(0xdd);
            Events?.Add(new(FileEventKind.Discard, offset, lengthBytes, null));
        }
    }

    public override ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        lock (this) Events?.Add(new(FileEventKind.Flush, 0, 0, null));
        return ValueTask.CompletedTask;
    }

    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) =>
        new(new BlockExtent(offset < LengthBytes ? BlockExtentKind.Data : BlockExtentKind.Zero, offset < LengthBytes ? Math.Min(lengthBytes, LengthBytes - offset) : lengthBytes) { FileOffset = offset, File = this });

    public override ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        lock (this)
        {
            if (lengthBytes < _length) _bytes.AsSpan((int)lengthBytes, (int)(_length - lengthBytes)).Clear();
            Reach(lengthBytes);
            _length = lengthBytes;
            Events?.Add(new(FileEventKind.Resize, lengthBytes, 0, null));
        }
        return ValueTask.CompletedTask;
    }

    public override ValueTask DisposeAsync()
    {
        Disposed = true;
        return ValueTask.CompletedTask;
    }

    private void Reach(long end)
    {
        if (end > _bytes.Length) Array.Resize(ref _bytes, (int)Math.Max(end, Math.Min(2L * _bytes.Length, Array.MaxLength)));
        if (end > _length) _length = end;
    }
}
