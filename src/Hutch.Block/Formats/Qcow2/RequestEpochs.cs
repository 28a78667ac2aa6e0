using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Tells when every request that began before a moment has ended, so that clusters which such a request may still use are not given away. Requests count
/// themselves in one of two epochs; <see cref="WaitAsync"/> opens the other one and waits until the old one is empty. One waiter at a time.
/// </summary>
internal sealed class RequestEpochs
{
    private readonly long[] _active = new long[2];
    private int _current;
    private volatile TaskCompletionSource? _emptied;

    /// <summary>A request begins. Under the owner's lock, in the step that finds the clusters it uses.</summary>
    /// <returns>Its epoch, for <see cref="Exit"/>.</returns>
    internal int Enter()
    {
        Interlocked.Increment(ref _active[_current]);
        return _current;
    }

    /// <summary>A request has ended.</summary>
    internal void Exit(int epoch)
    {
        // Pairs with the exchange in WaitAsync: either that sees the zero, or this sees the waiter.
        if (Interlocked.Decrement(ref _active[epoch]) == 0) _emptied?.TrySetResult();
    }

    /// <summary>Opens a new epoch: clusters given up until now are used by earlier requests only. Under the owner's lock.</summary>
    /// <returns>The old epoch, for <see cref="WaitAsync"/>.</returns>
    internal int Advance()
    {
        int old = _current;
        _current = 1 - old;
        return old;
    }

    /// <summary>Completes when all requests of an epoch that <see cref="Advance"/> closed have ended.</summary>
    internal async ValueTask WaitAsync(int epoch)
    {
        while (Interlocked.Read(ref _active[epoch]) != 0)
        {
            TaskCompletionSource emptied = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _emptied = emptied;
            Interlocked.MemoryBarrier();
            if (Interlocked.Read(ref _active[epoch]) == 0) break;
            await emptied.Task.ConfigureAwait(false);
        }
        _emptied = null;
    }
}
