using System;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Host.Linux;

namespace Hutch.Host.IoUring;

/// <summary>
/// A pair of io_uring(7) queues. One thread, the one that makes it, uses it: adds submissions, enters the kernel, takes completions. Both rings are the
/// kernel's memory; what the kernel writes there (tail of completions, head of submissions) is read with acquire, what we write is released.
/// </summary>
internal sealed unsafe class Ring : SafeHandle
{
    private readonly byte* _rings, _entries;
    private readonly nuint _ringsBytes, _entriesBytes;
    private readonly uint* _submissionHead, _submissionTail, _completionHead, _completionTail;
    private readonly Libc.UringCompletion* _completions;
    private readonly uint _submissionMask, _completionMask, _submissionCount;
    private uint _tail, _submitted;

    private Ring(int fd, in Libc.UringParameters parameters) : base(-1, ownsHandle: true)
    {
        SetHandle(fd);
        _ringsBytes = Math.Max(parameters.SubmissionArray + (4 * parameters.SubmissionCount), parameters.Completions + (16 * parameters.CompletionCount));
        _entriesBytes = (nuint)sizeof(Libc.UringSubmission) * parameters.SubmissionCount;
        _rings = Map(fd, _ringsBytes, Libc.UringRingsOffset);
        _entries = Map(fd, _entriesBytes, Libc.UringEntriesOffset);
        if ((nint)_rings == -1 || (nint)_entries == -1) return;
        // SAFETY: the offsets are the kernel's own, inside the mapping whose length was computed from them.
        _submissionHead = (uint*)(_rings + parameters.SubmissionHead);
        _submissionTail = (uint*)(_rings + parameters.SubmissionTail);
        _completionHead = (uint*)(_rings + parameters.CompletionHead);
        _completionTail = (uint*)(_rings + parameters.CompletionTail);
        _completions = (Libc.UringCompletion*)(_rings + parameters.Completions);
        (_submissionMask, _completionMask, _submissionCount) = (parameters.SubmissionCount - 1, parameters.CompletionCount - 1, parameters.SubmissionCount);
        uint* array = (uint*)(_rings + parameters.SubmissionArray);
        for (uint i = 0; i < parameters.SubmissionCount; i++) array[i] = i;
        IsMapped = true;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle == -1;

    private bool IsMapped { get; }

    /// <summary>Makes a ring for the calling thread; null where this process has none (a kernel without, a filter of system calls, io_uring_disabled).</summary>
    /// <param name="submissions">Room for submissions, a power of two.</param>
    /// <param name="completions">Room for completions, a power of two: as many requests may be in flight.</param>
    internal static Ring? TryCreate(uint submissions, uint completions)
    {
        const uint Wanted = Libc.UringFeatureSingleMapping | Libc.UringFeatureNoDrop | Libc.UringFeatureSubmitStable;
        // From the newest kernels to the oldest: each flag that is not known is EINVAL.
        ReadOnlySpan<uint> trials = [Libc.UringSetupSingleIssuer | Libc.UringSetupDeferTaskRun, Libc.UringSetupCooperative, 0];
        foreach (uint flags in trials)
        {
            Libc.UringParameters parameters = new() { CompletionCount = completions, Flags = flags | Libc.UringSetupCompletionCount };
            // SAFETY: the kernel fills one structure on this frame, of the size that its header gives.
            int fd = (int)Libc.Syscall(Libc.SysIoUringSetup, (nint)submissions, (nint)(&parameters), 0, 0, 0, 0);
            if (fd < 0)
            {
                if (Marshal.GetLastPInvokeError() == 22) continue;
                return null;
            }
            Ring ring = new(fd, parameters);
            if (ring.IsMapped && (parameters.Features & Wanted) == Wanted) return ring;
            ring.Dispose();
            return null;
        }
        return null;
    }

    /// <summary>Adds a submission; false when there is no room before the next <see cref="Enter"/>.</summary>
    internal bool TryAdd(in Libc.UringSubmission submission)
    {
        if (_tail - Volatile.Read(ref *_submissionHead) == _submissionCount) return false;
        // SAFETY: the index is masked to the mapping's entries; the kernel has given this one back, as its head says.
        ((Libc.UringSubmission*)_entries)[_tail & _submissionMask] = submission;
        _tail++;
        return true;
    }

    /// <summary>
    /// Hands what was added to the kernel and waits for <paramref name="least"/> completions, at the most until a signal comes. 0, or the error number:
    /// EAGAIN and EBUSY say that completions must be taken first.
    /// </summary>
    internal int Enter(uint least)
    {
        Volatile.Write(ref *_submissionTail, _tail);
        nint taken = Libc.Syscall(Libc.SysIoUringEnter, handle, (nint)(_tail - _submitted), (nint)least, (nint)Libc.UringEnterGetEvents, 0, 0);
        if (taken < 0) return Marshal.GetLastPInvokeError();
        _submitted += (uint)taken;
        return 0;
    }

    /// <summary>Takes a completion; false when there is none.</summary>
    internal bool TryTake(out ulong userData, out int result)
    {
        uint head = *_completionHead;
        if (head == Volatile.Read(ref *_completionTail))
        {
            (userData, result) = (0, 0);
            return false;
        }
        // SAFETY: the index is masked to the mapping's entries; the kernel has filled this one, as its tail says.
        Libc.UringCompletion* completion = _completions + (head & _completionMask);
        (userData, result) = (completion->UserData, completion->Result);
        Volatile.Write(ref *_completionHead, head + 1);
        return true;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        if ((nint)_rings is not (0 or -1)) _ = Libc.Munmap(_rings, _ringsBytes);
        if ((nint)_entries is not (0 or -1)) _ = Libc.Munmap(_entries, _entriesBytes);
        return Libc.Close((int)handle) == 0;
    }

    // SAFETY: a new mapping, which only this object knows.
    private static byte* Map(int fd, nuint length, long offset) =>
        (byte*)Libc.Mmap(null, length, Libc.ProtRead | Libc.ProtWrite, Libc.MapShared | Libc.MapPopulate, fd, (nint)offset);
}
