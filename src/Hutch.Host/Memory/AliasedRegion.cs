using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Memory;

/// <summary>
/// Several areas of one stride whose first bytes are the same memory: a shared head, mapped at the start of each area, and a private rest.
/// </summary>
public sealed unsafe class AliasedRegion : SafeHandle
{
    private readonly ulong _lengthBytes;

    private AliasedRegion(void* start, ulong lengthBytes) : base(0, ownsHandle: true)
    {
        SetHandle((nint)start);
        _lengthBytes = lengthBytes;
    }

    /// <inheritdoc/>
    public override bool IsInvalid => handle is 0 or -1;

    /// <summary>First byte of the first area.</summary>
    public byte* Start => (byte*)handle;

    /// <summary>Maps <paramref name="areas"/> areas of <paramref name="strideBytes"/>, the first <paramref name="headBytes"/> of each shared. Both are page multiples.</summary>
    public static AliasedRegion Allocate(int headBytes, int strideBytes, int areas, string purpose)
    {
        ulong length = (ulong)strideBytes * (ulong)areas;
        int fd = Libc.MemfdCreate("hutch-state", Libc.MfdCloexec);
        if (fd < 0 || Libc.Ftruncate(fd, headBytes) != 0) LinuxException.ThrowLast("memfd_create", purpose);
        try
        {
            void* start = Libc.Mmap(null, (nuint)length, Libc.ProtRead | Libc.ProtWrite, Libc.MapPrivate | Libc.MapAnonymous | Libc.MapNoReserve, -1, 0);
            if ((nint)start == -1) LinuxException.ThrowLast("mmap", purpose);
            var region = new AliasedRegion(start, length);
            for (int i = 0; i < areas; i++)
            {
                // SAFETY: replaces the head of area i inside the mapping just made; nothing else points there yet.
                void* head = Libc.Mmap((byte*)start + (long)i * strideBytes, (nuint)headBytes, Libc.ProtRead | Libc.ProtWrite, Libc.MapShared | Libc.MapFixed, fd, 0);
                if ((nint)head == -1) LinuxException.ThrowLast("mmap", purpose);
            }
            return region;
        }
        finally
        {
            _ = Libc.Close(fd);
        }
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Libc.Munmap((void*)handle, (nuint)_lengthBytes) == 0;
}
