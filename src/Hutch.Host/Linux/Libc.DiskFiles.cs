using System.Runtime.InteropServices;
using Hutch.Host.Files;

namespace Hutch.Host.Linux;

/// <summary>libc calls on disk images: open(2), preadv2(2), fdatasync(2), fallocate(2), lseek(2), statx(2), fstatfs(2), fcntl(2) locks.</summary>
internal static unsafe partial class Libc
{
    internal const int OpenReadOnly = 0, OpenReadWrite = 2, OpenNonBlock = 0x800, OpenCloexec = 0x80000, OpenNoCtty = 0x100, OpenDirect = 0x4000;
    internal const int FallocKeepSize = 1, FallocPunchHole = 2, FallocZeroRange = 0x10;
    internal const int SeekEnd = 2, SeekData = 3, SeekHole = 4;
    internal const int AtEmptyPath = 0x1000, AtWorkingDirectory = -100;
    internal const uint StatxBasicStats = 0x7ff, StatxDirectAlignment = 0x2000;
    internal const int FcntlOfdGetLock = 36, FcntlOfdSetLock = 37;
    internal const short LockRead = 0, LockWrite = 1, LockNone = 2;

    /// <summary>RWF_DSYNC, RWF_NOWAIT (linux/fs.h).</summary>
    internal const int TransferDurable = 2, TransferNoWait = 8;

    /// <summary>BLKSSZGET, BLKDISCARD, BLKZEROOUT (linux/fs.h).</summary>
    internal const uint BlockSectorBytes = 0x1268, BlockDiscard = 0x1277, BlockZeroOut = 0x127f;

    // The C prototypes of open and fcntl are variadic; on x86-64 integer and pointer arguments travel in the same registers either way.
    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    internal static partial int FcntlLock(SafeHandle fd, int command, FileLockRange* range);

    [LibraryImport("libc", EntryPoint = "preadv2", SetLastError = true)]
    internal static partial nint Preadv(SafeHandle fd, IoSegment* segments, int count, long offset, int flags);

    [LibraryImport("libc", EntryPoint = "pwritev2", SetLastError = true)]
    internal static partial nint Pwritev(SafeHandle fd, IoSegment* segments, int count, long offset, int flags);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    internal static partial int Fdatasync(SafeHandle fd);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    internal static partial int Fallocate(SafeHandle fd, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    internal static partial long Lseek(SafeHandle fd, long offset, int whence);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Statx(SafeHandle directory, string path, int flags, uint mask, FileStatus* status);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int StatxAt(int directory, string path, int flags, uint mask, FileStatus* status);

    [LibraryImport("libc", EntryPoint = "fstatfs", SetLastError = true)]
    internal static partial int FileSystemOf(SafeHandle fd, FileSystemStatus* status);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int BlockIoctl(SafeHandle fd, nuint request, void* argument);

    /// <summary>struct flock (fcntl(2)) on 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct FileLockRange
    {
        public short Type;          // F_RDLCK, F_WRLCK, F_UNLCK
        public short Whence;        // SEEK_SET
        private readonly int _padding;
        public long Start;
        public long Length;
        public int Pid;             // must be 0 for open file description locks
        private readonly int _tail;
    }

    /// <summary>struct statx (linux/stat.h), only the fields that we look at.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    internal struct FileStatus
    {
        [FieldOffset(0)] public uint Mask;
        [FieldOffset(4)] public uint BlockSize;
        [FieldOffset(20)] public uint User;
        [FieldOffset(24)] public uint Group;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(40)] public ulong SizeBytes;
        [FieldOffset(48)] public ulong Blocks;          // of 512 bytes
        [FieldOffset(136)] public uint DeviceMajor;
        [FieldOffset(140)] public uint DeviceMinor;
        [FieldOffset(152)] public uint DirectMemoryAlignment;
        [FieldOffset(156)] public uint DirectOffsetAlignment;
    }

    /// <summary>struct statfs (statfs(2)) on 64-bit Linux, only the type.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 120)]
    internal struct FileSystemStatus
    {
        [FieldOffset(0)] public long Type;
    }
}
