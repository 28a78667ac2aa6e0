using System.Threading;

namespace Hutch.Block.Jobs;

/// <summary>Lets threads do something one after the other, in the order of their numbers.</summary>
internal sealed class OrderedTurns
{
    private readonly object _gate = new();
    private long _next;

    /// <summary>Returns when all numbers before <paramref name="number"/> are done. Throws when the token is cancelled.</summary>
    internal void Await(long number, CancellationToken cancellation)
    {
        lock (_gate)
        {
            while (_next != number)
            {
                cancellation.ThrowIfCancellationRequested();
                Monitor.Wait(_gate);
            }
        }
        cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>The next number's turn.</summary>
    internal void Done(long number)
    {
        lock (_gate)
        {
            _next = number + 1;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Lets those that wait look at their tokens.</summary>
    internal void WakeAll()
    {
        lock (_gate) Monitor.PulseAll(_gate);
    }
}
