using System;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Memory;

/// <summary>
/// Zero-filled memory that another program can map too, by a descriptor that it is given (memfd_create(2)). The length is sealed: nobody can take pages away, which
/// would end this process when it touched them. What the other program writes changes at any time: read a value once, check it, and use what was read.
/// </summary>
public sealed unsafe class SharedMemory : SafeHandle
{
    private SharedMemory(void* start, int lengthBytes, int descriptor) : base(0, ownsHandle: true)
    {
        SetHandle((nint)start);
        (LengthBytes, Descriptor) = (lengthBytes, descriptor);
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle is 0 or -1;

    /// <summary>The descriptor to give away. Valid while this object is.</summary>
    public int Descriptor { get; }

    /// <summary>Length in bytes.</summary>
    public int LengthBytes { get; }

    /// <summary>The bytes. Valid while this object is.</summary>
    // SAFETY: the mapping has this length, and whoever owns the object disposes it after the last use.
    public Span<byte> Bytes => new((void*)handle, LengthBytes);

    /// <summary>Makes memory of a multiple of the page size, committed as it is touched. Throws <see cref="LinuxException"/>.</summary>
    public static SharedMemory Create(int lengthBytes, string purpose)
    {
        int fd = Libc.MemfdCreate("hutch-shared", Libc.MfdCloexec | Libc.MfdAllowSealing);
        if (fd < 0) LinuxException.ThrowLast("memfd_create", purpose);
        try
        {
            if (Libc.Ftruncate(fd, lengthBytes) != 0) LinuxException.ThrowLast("ftruncate", purpose);
            if (Libc.FcntlSeal(fd, Libc.FcntlAddSeals, Libc.SealShrink | Libc.SealGrow | Libc.SealSeal) != 0) LinuxException.ThrowLast("fcntl", purpose);
            void* start = Libc.Mmap(null, (nuint)lengthBytes, Libc.ProtRead | Libc.ProtWrite, Libc.MapShared, fd, 0);
            if ((nint)start == -1) LinuxException.ThrowLast("mmap", purpose);
            return new SharedMemory(start, lengthBytes, fd);
        }
        catch
        {
            _ = Libc.Close(fd);
            throw;
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle()
    {
        // Both calls, whatever the first returns.
        bool unmapped = Libc.Munmap((void*)handle, (nuint)LengthBytes) == 0;
        return Libc.Close(Descriptor) == 0 && unmapped;
    }
}
