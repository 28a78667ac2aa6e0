using System;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Memory;

/// <summary>
/// Memory for emitted code: the same pages mapped twice, once writable and once executable, so that no mapping is ever both.
/// The region owns both mappings; nothing may run in it or write to it after it is disposed.
/// </summary>
public sealed unsafe class ExecutableRegion : SafeHandle
{
    private ExecutableRegion(void* writable, void* executable, ulong lengthBytes) : base(0, ownsHandle: true)
    {
        SetHandle((nint)writable);
        Executable = (byte*)executable;
        LengthBytes = lengthBytes;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle is 0 or -1;

    /// <summary>First byte of the writable mapping.</summary>
    public byte* Writable => (byte*)handle;

    /// <summary>First byte of the executable mapping of the same pages.</summary>
    public byte* Executable { get; }

    /// <summary>Length of each mapping in bytes, a multiple of the page size.</summary>
    public ulong LengthBytes { get; }

    /// <summary>
    /// Maps <paramref name="lengthBytes"/> of zero-filled code memory, committed as it is touched. Throws <see cref="LinuxException"/> when the host
    /// refuses (for example a security policy that forbids executable shared memory).
    /// </summary>
    /// <param name="lengthBytes">Length in bytes; rounded up to whole pages.</param>
    /// <param name="purpose">What the memory is for, used in the error text.</param>
    public static ExecutableRegion Allocate(ulong lengthBytes, string purpose)
    {
        ulong length = (lengthBytes + 4095) & ~4095UL;
        string detail = $"{purpose} ({length} bytes of code memory)";
        int fd = Libc.MemfdCreate("hutch-code", Libc.MfdCloexec);
        if (fd < 0) LinuxException.ThrowLast("memfd_create", detail);
        try
        {
            if (Libc.Ftruncate(fd, (nint)length) != 0) LinuxException.ThrowLast("ftruncate", detail);
            void* writable = Map(Libc.ProtRead | Libc.ProtWrite);
            if ((nint)writable == -1) LinuxException.ThrowLast("mmap", detail);
            void* executable = Map(Libc.ProtRead | Libc.ProtExec);
            if ((nint)executable == -1)
            {
                int errno = Marshal.GetLastPInvokeError();
                _ = Libc.Munmap(writable, (nuint)length);
                throw new LinuxException("mmap", errno, detail);
            }
            return new ExecutableRegion(writable, executable, length);
        }
        finally
        {
            _ = Libc.Close(fd);
        }

        void* Map(int protection) => Libc.Mmap(null, (nuint)length, protection, Libc.MapShared | Libc.MapNoReserve, fd, 0);
    }

    /// <summary>
    /// Lets the writable view of a finished part go: the code stays, in the executable view, and a later write maps the page again. Without it every
    /// page would be counted twice against this process. Offset and length are rounded inwards to whole pages.
    /// </summary>
    public void ReleaseWritable(ulong offset, ulong lengthBytes)
    {
        ulong first = (offset + 4095) & ~4095UL, end = Math.Min(offset + lengthBytes, LengthBytes) & ~4095UL;
        // SAFETY: the range lies inside the mapping. The memory is shared with the other view, so dropping page-table entries loses nothing.
        if (end > first) _ = Libc.Madvise(Writable + first, (nuint)(end - first), Libc.MadvDontNeed);
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        // Both calls, whatever the first returns.
        bool writable = Libc.Munmap((void*)handle, (nuint)LengthBytes) == 0;
        return Libc.Munmap(Executable, (nuint)LengthBytes) == 0 && writable;
    }
}
