using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Host.Events;
using Hutch.Host.IoUring;
using Hutch.Host.Linux;

namespace Hutch.Host.DiskIo;

/// <summary>
/// io_uring(7): a thread of its own has the ring. Others push requests onto a list and wake the thread where it sleeps; requests that continuations on the thread
/// itself make are handed to the kernel together, with the wait for the next completion in the same call.
/// <code>
///  Submit, any thread: _incoming (a stack) --+
///                                            +--> slots, submissions --Enter--> kernel --completions--> Complete
///  Submit, this thread: _own (a queue) ------+
/// </code>
/// <see cref="_asleep"/> pairs with <see cref="_incoming"/>: the thread announces its sleep and then looks at the list, submitters push and then look for a
/// sleeper, each with a full fence in between, so that no request is left lying.
/// </summary>
internal sealed unsafe class RingEngine : DiskEngine
{
    private const uint Submissions = 256, Completions = 1024;
    private const int MostInFlight = (int)Completions - 1, StackBytes = 512 * 1024;
    private const ulong WakeMark = ulong.MaxValue;
    private const int ErrorBusy = 16, ErrorNotSupported = 95, LargestTransfer = 0x7ffff000;

    private readonly EventFd _wake = EventFd.Create("io_uring");
    private readonly DiskRequest?[] _slots = new DiskRequest?[MostInFlight];
    private readonly Stack<int> _freeSlots = new(MostInFlight);
    private readonly Queue<DiskRequest> _own = [];
    private readonly ulong[] _wakeCount = GC.AllocateArray<ulong>(1, pinned: true);
    private DiskRequest? _incoming;
    private int _asleep, _thread;
    private Ring _ring = null!;
    private bool _wakeArmed;

    private RingEngine()
    {
        for (int slot = MostInFlight - 1; slot >= 0; slot--) _freeSlots.Push(slot);
    }

    /// <summary>Makes the engine and starts its thread; null where this process has no io_uring.</summary>
    internal static RingEngine? TryStart()
    {
        RingEngine engine = new();
        using ManualResetEventSlim made = new();
        bool works = false;
        // The ring belongs to the thread that makes it.
        new Thread(() =>
        {
            Ring? ring = Ring.TryCreate(Submissions, Completions);
            works = ring is not null;
            if (works)
            {
                engine._ring = ring!;
                Volatile.Write(ref engine._thread, Environment.CurrentManagedThreadId);
            }
            made.Set();
            PoolThread.Mark();
            if (works) engine.Serve();
        }, StackBytes) { IsBackground = true, Name = "disk-ring" }.Start();
        made.Wait();
        if (works) return engine;
        engine._wake.Dispose();
        return null;
    }

    /// <inheritdoc/>
    private protected override void Submit(DiskRequest request)
    {
        // What blocks is for threads.
        if (request.Work.Operation == DiskOperation.Work)
        {
            ThreadEngine.Instance.Queue(request);
            return;
        }
        if (Environment.CurrentManagedThreadId == _thread)
        {
            _own.Enqueue(request);
            return;
        }
        DiskRequest? top = Volatile.Read(ref _incoming);
        while (true)
        {
            request.Next = top;
            DiskRequest? seen = Interlocked.CompareExchange(ref _incoming, request, top);
            if (seen == top) break;
            top = seen;
        }
        if (Interlocked.Exchange(ref _asleep, 0) == 1) _wake.Signal();
    }

    private void Serve()
    {
        while (true)
        {
            TakeIncoming();
            FillSubmissions();
            bool idle = _own.Count == 0 || _freeSlots.Count == 0;
            if (idle)
            {
                ArmWake();
                Interlocked.Exchange(ref _asleep, 1);
                idle = Volatile.Read(ref _incoming) is null;
            }
            int error = _ring.Enter(idle ? 1u : 0);
            Volatile.Write(ref _asleep, 0);
            // EAGAIN, EBUSY: completions must be taken first. EINTR: a signal.
            if (error is not (0 or Libc.Eintr or Libc.Eagain or ErrorBusy))
                throw new LinuxException("io_uring_enter", error, "Disk I/O");
            TakeCompletions();
        }
    }

    // The list is a stack: the order of asking is restored. Order between requests means nothing, but fairness does.
    private void TakeIncoming()
    {
        DiskRequest? top = Interlocked.Exchange(ref _incoming, null), first = null;
        while (top is not null)
        {
            DiskRequest? next = top.Next;
            top.Next = first;
            first = top;
            top = next;
        }
        while (first is not null)
        {
            DiskRequest request = first;
            first = request.Next;
            request.Next = null;
            _own.Enqueue(request);
        }
    }

    private void FillSubmissions()
    {
        while (_own.Count != 0 && _freeSlots.TryPeek(out int slot))
        {
            DiskRequest request = _own.Peek();
            if (!TryAdd(request, slot)) return;
            _ = _own.Dequeue();
            _ = _freeSlots.Pop();
            _slots[slot] = request;
        }
    }

    private bool TryAdd(DiskRequest request, int slot)
    {
        Libc.UringSubmission submission = new() { Fd = (int)request.File.DangerousGetHandle(), UserData = (ulong)slot };
        if (request.Work.Operation == DiskOperation.Sync)
        {
            (submission.Operation, submission.OperationFlags) = (Libc.UringSync, Libc.UringSyncData);
            return _ring.TryAdd(submission);
        }
        bool reads = request.Work.Operation == DiskOperation.Read;
        submission.Offset = request.Offset;
        submission.OperationFlags = request.Work.Operation == DiskOperation.DurableWrite ? Libc.TransferDurable : 0u;
        (nint address, int count, nint length) = request.Place;
        if (count == 1)
        {
            submission.Operation = reads ? Libc.UringRead : Libc.UringWrite;
            (submission.Address, submission.Length) = (address, (uint)Math.Min(length, LargestTransfer));
        }
        else
        {
            submission.Operation = reads ? Libc.UringReadVector : Libc.UringWriteVector;
            (submission.Address, submission.Length) = (address, (uint)count);
        }
        return _ring.TryAdd(submission);
    }

    private void ArmWake()
    {
        if (_wakeArmed) return;
        _wakeArmed = _ring.TryAdd(new Libc.UringSubmission
        {
            Operation = Libc.UringRead,
            Fd = _wake.Descriptor,
            Address = Marshal.UnsafeAddrOfPinnedArrayElement(_wakeCount, 0),
            Length = sizeof(ulong),
            UserData = WakeMark,
        });
    }

    private void TakeCompletions()
    {
        while (_ring.TryTake(out ulong userData, out int result))
        {
            if (userData == WakeMark)
            {
                _wakeArmed = false;
                continue;
            }
            DiskRequest request = _slots[userData]!;
            _slots[userData] = null;
            _freeSlots.Push((int)userData);
            Went(request, result);
        }
    }

    private void Went(DiskRequest request, int result)
    {
        DiskOperation operation = request.Work.Operation;
        if (result < 0)
        {
            // What the ring cannot do now or here, a thread can. A signal: once more.
            if (-result == Libc.Eintr) _own.Enqueue(request);
            else if (-result is Libc.Eagain or ErrorNotSupported) ThreadEngine.Instance.Queue(request);
            else request.Complete(new LinuxException(Name(operation), -result, request.File.Path));
            return;
        }
        if (operation == DiskOperation.Sync || request.Advance(result))
        {
            request.Complete(null);
            return;
        }
        if (operation == DiskOperation.Read && (result == 0 || request.File.IsTornEnd(request.Offset)))
        {
            request.ZeroRest();
            request.Complete(null);
        }
        else if (result == 0) request.Complete(new LinuxException(Name(operation), 28, request.File.Path));
        // A short transfer: the rest.
        else _own.Enqueue(request);
    }

    private static string Name(DiskOperation operation) => operation switch
    {
        DiskOperation.Read => "read",
        DiskOperation.Sync => "fdatasync",
        _ => "write",
    };
}
