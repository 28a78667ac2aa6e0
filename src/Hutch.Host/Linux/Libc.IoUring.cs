using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>Structures and numbers of io_uring(7) (linux/io_uring.h). The calls go through <see cref="Syscall"/>.</summary>
internal static unsafe partial class Libc
{
    internal const nint SysIoUringRegister = 427;

    internal const uint UringEnterGetEvents = 1;

    /// <summary>IORING_SETUP_*: a queue of completions of its own size; one thread submits; completions are processed when that thread asks for them.</summary>
    internal const uint UringSetupCompletionCount = 1 << 3, UringSetupSubmitAll = 1 << 7, UringSetupCooperative = 1 << 8, UringSetupSingleIssuer = 1 << 12, UringSetupDeferTaskRun = 1 << 13;

    /// <summary>IORING_FEAT_*.</summary>
    internal const uint UringFeatureSingleMapping = 1, UringFeatureNoDrop = 2, UringFeatureSubmitStable = 4;

    /// <summary>IORING_OP_*.</summary>
    internal const byte UringReadVector = 1, UringWriteVector = 2, UringSync = 3, UringRead = 22, UringWrite = 23;

    /// <summary>IORING_FSYNC_DATASYNC.</summary>
    internal const uint UringSyncData = 1;

    internal const long UringRingsOffset = 0, UringEntriesOffset = 0x1000_0000;

    /// <summary>struct io_uring_params, 120 bytes, with the offsets of both rings.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    internal struct UringParameters
    {
        [FieldOffset(0)] public uint SubmissionCount;
        [FieldOffset(4)] public uint CompletionCount;
        [FieldOffset(8)] public uint Flags;
        [FieldOffset(20)] public uint Features;
        [FieldOffset(40)] public uint SubmissionHead;
        [FieldOffset(44)] public uint SubmissionTail;
        [FieldOffset(48)] public uint SubmissionMask;
        [FieldOffset(64)] public uint SubmissionArray;
        [FieldOffset(80)] public uint CompletionHead;
        [FieldOffset(84)] public uint CompletionTail;
        [FieldOffset(88)] public uint CompletionMask;
        [FieldOffset(100)] public uint Completions;
    }

    /// <summary>struct io_uring_sqe, 64 bytes.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 64)]
    internal struct UringSubmission
    {
        [FieldOffset(0)] public byte Operation;
        [FieldOffset(1)] public byte Flags;
        [FieldOffset(2)] public ushort Priority;
        [FieldOffset(4)] public int Fd;
        [FieldOffset(8)] public long Offset;
        [FieldOffset(16)] public nint Address;
        [FieldOffset(24)] public uint Length;
        [FieldOffset(28)] public uint OperationFlags;
        [FieldOffset(32)] public ulong UserData;
    }

    /// <summary>struct io_uring_cqe, 16 bytes.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct UringCompletion
    {
        public ulong UserData;
        public int Result;
        public uint Flags;
    }
}
