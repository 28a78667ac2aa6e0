using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Files;

namespace Hutch.Host.DiskIo;

/// <summary>
/// Carries requests to files out and completes them later, without memory for each request. Any thread. Memory and the file stay the caller's, who keeps both
/// until the request completed.
/// </summary>
public abstract class DiskEngine
{
    private const int MostSpare = 256;

    private static readonly Lazy<DiskEngine?> StartedRing = new(RingEngine.TryStart);

    private readonly Lock _spareLock = new();
    private DiskRequest? _spare;
    private int _spareCount;

    private protected DiskEngine() { }

    /// <summary>System calls on a pool of threads of its own.</summary>
    public static DiskEngine Threads => ThreadEngine.Instance;

    /// <summary>io_uring; null where this process has none: an old kernel, a filter of system calls, kernel.io_uring_disabled.</summary>
    public static DiskEngine? Uring => StartedRing.Value;

    /// <summary>What is fastest here.</summary>
    public static DiskEngine Best => Uring ?? Threads;

    /// <summary>Begins a read or a write.</summary>
    /// <param name="client">Who asks.</param>
    /// <param name="file">Which file.</param>
    /// <param name="work">What; offset and length describe the whole request.</param>
    /// <param name="segments">The memory; the list is copied.</param>
    /// <param name="done">Bytes at the beginning that are done already.</param>
    public ValueTask Transfer(IDiskClient client, DiskFile file, in DiskWork work, ReadOnlySpan<IoSegment> segments, long done = 0)
    {
        DiskRequest request = Take(client, file, work);
        request.Cover(segments, done);
        return Begin(request);
    }

    /// <summary>Begins a request without memory.</summary>
    public ValueTask Run(IDiskClient client, DiskFile file, in DiskWork work) => Begin(Take(client, file, work));

    /// <summary>Begins a request; it completes on another thread.</summary>
    private protected abstract void Submit(DiskRequest request);

    /// <summary>Takes a request back that completed and was seen to.</summary>
    internal void Return(DiskRequest request)
    {
        lock (_spareLock)
        {
            if (_spareCount == MostSpare) return;
            request.Next = _spare;
            _spare = request;
            _spareCount++;
        }
    }

    private ValueTask Begin(DiskRequest request)
    {
        ValueTask task = request.Task;
        Submit(request);
        return task;
    }

    private DiskRequest Take(IDiskClient client, DiskFile file, in DiskWork work)
    {
        DiskRequest? request;
        lock (_spareLock)
        {
            request = _spare;
            if (request is not null)
            {
                _spare = request.Next;
                _spareCount--;
            }
        }
        request ??= new DiskRequest(this);
        request.Prepare(client, file, work);
        return request;
    }
}
