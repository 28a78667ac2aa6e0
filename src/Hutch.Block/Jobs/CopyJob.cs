using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Block.Filters;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Opening;

namespace Hutch.Block.Jobs;

/// <summary>
/// Copies images, one behind the other, into a target. Threads take pieces in the disk's order; each reads its piece, looks for zeros, compresses, and
/// writes when those before it have (<see cref="CopyOptions.InOrder"/>) or at once.
/// </summary>
public sealed class CopyJob : IDisposable
{
    private readonly CopySource _source;
    private readonly ImageNode _target;
    private readonly CopyOptions _options;
    private readonly CancellationTokenSource _stop;
    private readonly Lock _lock = new();
    private readonly OrderedTurns _turns = new();
    private readonly int _unitBytes;
    private readonly ThrottleGroup? _rate;
    private Exception? _failure;
    private long _ticket;

    /// <summary>Prepares a copy. The nodes stay the caller's.</summary>
    public CopyJob(IReadOnlyList<BlockNode> sources, ImageNode target, CopyOptions options, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(options);
        (_target, _options) = (target, options);
        _unitBytes = options.Compress ? Math.Max(target.ClusterBytes, 512) : 0;
        _source = new CopySource(sources, target.LengthBytes, options, _unitBytes);
        if (options.BytesPerSecond > 0) _rate = new ThrottleGroup(new ThrottleLimits { BytesWrite = new(options.BytesPerSecond) }, options.Time);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    }

    /// <summary>Copies all. Throws what the first failing request threw.</summary>
    public void Run()
    {
        _source.Measure(_stop.Token);
        Thread[] helpers = new Thread[Math.Max(0, _options.Workers - 1)];
        for (int i = 0; i < helpers.Length; i++)
        {
            helpers[i] = new Thread(Work) { IsBackground = true, Name = "copy" };
            helpers[i].Start();
        }
        Work();
        foreach (Thread helper in helpers) helper.Join();
        if (_failure is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(_failure);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Dispose();
        _rate?.Dispose();
    }

    private void Store(CopyWorker worker, CopyPiece piece)
    {
        try
        {
            worker.Store(piece, _stop.Token);
        }
        catch (BlockIoException e)
        {
            throw new CopyException($"error while writing at byte {piece.Offset}: {ErrorText.Of(e)}", e);
        }
    }

    // A thread of its own; everything that it calls may block it.
    private void Work()
    {
        CopyWorker? worker = null;
        try
        {
            worker = new CopyWorker(_target, _options, _source.PieceBytes, _unitBytes);
            while (true)
            {
                CopyPiece piece;
                long ticket;
                lock (_lock)
                {
                    if (!_source.TryNext(out piece, _stop.Token)) return;
                    ticket = _ticket++;
                }
                if (_rate is not null && piece.Action == CopyAction.Data) Blocking.Wait(_rate.PassAsync(isWrite: true, piece.LengthBytes, _stop.Token));
                worker.Prepare(piece, _source, _stop.Token);
                if (_options.InOrder) _turns.Await(ticket, _stop.Token);
                Store(worker, piece);
                if (_options.InOrder) _turns.Done(ticket);
                lock (_lock) _source.Finished(piece);
            }
        }
        catch (Exception e)
        {
            lock (_lock)
            {
                // What others say after the stop is only that they were stopped.
                if (_failure is null || _failure is OperationCanceledException) _failure = e;
            }
            _stop.Cancel();
            _turns.WakeAll();
        }
        finally
        {
            worker?.Dispose();
        }
    }
}
