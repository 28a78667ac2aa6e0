using System;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Host.Linux;

namespace Hutch.Host.Trials;

/// <summary>Whether io_uring(7) works for this process: a ring is made and a no-operation goes through it.</summary>
public static unsafe class IoUringTrial
{
    private const ulong SubmissionEntries = 0x1000_0000, Mark = 0x68757463;
    private const int EntryBytes = 64, EnterGetEvents = 1;
    private const uint SingleMapping = 1;

    /// <summary>struct io_uring_params (linux/io_uring.h), 120 bytes, with the offsets of the two rings.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    private struct Parameters
    {
        [FieldOffset(0)] public uint SubmissionCount;
        [FieldOffset(4)] public uint CompletionCount;
        [FieldOffset(20)] public uint Features;
        [FieldOffset(44)] public uint SubmissionTail;
        [FieldOffset(64)] public uint SubmissionArray;
        [FieldOffset(84)] public uint CompletionTail;
        [FieldOffset(100)] public uint Completions;
    }

    /// <summary>Runs the trial. The value is the ring's feature bits (IORING_FEAT_*).</summary>
    public static Trial Run()
    {
        Parameters parameters = default;
        // SAFETY: the kernel fills one structure on this frame, of the size that its header gives.
        int fd = (int)Libc.Syscall(Libc.SysIoUringSetup, 1, (nint)(&parameters), 0, 0, 0, 0);
        if (fd < 0) return Trial.Of(-1);
        try
        {
            // Every kernel since 5.4 maps both rings at once; an older one is not worth more code.
            if ((parameters.Features & SingleMapping) == 0) return new Trial(false, Trial.NotSupported);
            return DoNothing(fd, parameters);
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    private static Trial DoNothing(int fd, in Parameters parameters)
    {
        nuint length = Math.Max(parameters.SubmissionArray + 4 * parameters.SubmissionCount, parameters.Completions + 16 * parameters.CompletionCount);
        byte* rings = Map(fd, length, 0), entries = Map(fd, EntryBytes * parameters.SubmissionCount, (nint)SubmissionEntries);
        try
        {
            if ((nint)rings == -1 || (nint)entries == -1) return Trial.Of(-1);
            // SAFETY: the offsets are the kernel's own, inside the mapping whose length was computed from them; entry 0 exists.
            new Span<byte>(entries, EntryBytes).Clear();
            *(ulong*)(entries + 32) = Mark;
            *(uint*)(rings + parameters.SubmissionArray) = 0;
            Volatile.Write(ref *(uint*)(rings + parameters.SubmissionTail), 1);
            if (Libc.Syscall(Libc.SysIoUringEnter, fd, 1, 1, EnterGetEvents, 0, 0) < 0) return Trial.Of(-1);
            bool done = Volatile.Read(ref *(uint*)(rings + parameters.CompletionTail)) == 1 && *(ulong*)(rings + parameters.Completions) == Mark;
            return new Trial(done, Value: parameters.Features);
        }
        finally
        {
            if ((nint)rings != -1) _ = Libc.Munmap(rings, length);
            if ((nint)entries != -1) _ = Libc.Munmap(entries, EntryBytes * parameters.SubmissionCount);
        }
    }

    // SAFETY: a new mapping, which only the caller knows.
    private static byte* Map(int fd, nuint length, nint offset) =>
        (byte*)Libc.Mmap(null, length, Libc.ProtRead | Libc.ProtWrite, Libc.MapShared | Libc.MapPopulate, fd, offset);
}
