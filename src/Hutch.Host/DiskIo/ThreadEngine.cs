using System.Threading;

namespace Hutch.Host.DiskIo;

/// <summary>
/// Blocking calls on threads that are made as they are needed and end when they have been idle for a while. The runtime's own pool is not used: it adds
/// threads slowly when all of them block.
/// </summary>
internal sealed class ThreadEngine : DiskEngine
{
    private const int MostThreads = 32, StackBytes = 256 * 1024, IdleMs = 5000;

    private readonly object _lock = new();
    private DiskRequest? _head, _tail;
    private int _waiting, _threads, _idle;

    private ThreadEngine() { }

    /// <summary>The engine; its threads serve all others too.</summary>
    internal static ThreadEngine Instance { get; } = new();

    /// <summary>Takes a request on, also one of another engine.</summary>
    internal void Queue(DiskRequest request)
    {
        lock (_lock)
        {
            if (_tail is null) _head = request;
            else _tail.Next = request;
            _tail = request;
            _waiting++;
            if (_idle >= _waiting)
            {
                Monitor.Pulse(_lock);
                return;
            }
            if (_threads == MostThreads) return;
            _threads++;
        }
        new Thread(Serve, StackBytes) { IsBackground = true, Name = "disk-io" }.Start();
    }

    /// <inheritdoc/>
    private protected override void Submit(DiskRequest request) => Queue(request);

    private void Serve()
    {
        while (Take() is DiskRequest request) request.CarryOut();
    }

    // Null when the thread is no longer needed.
    private DiskRequest? Take()
    {
        lock (_lock)
        {
            while (_head is null)
            {
                _idle++;
                bool woken = Monitor.Wait(_lock, IdleMs);
                _idle--;
                if (woken || _head is not null) continue;
                _threads--;
                return null;
            }
            DiskRequest request = _head;
            _head = request.Next;
            if (_head is null) _tail = null;
            request.Next = null;
            _waiting--;
            return request;
        }
    }
}
