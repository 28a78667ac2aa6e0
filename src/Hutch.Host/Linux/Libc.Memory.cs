using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>libc calls that map memory (mmap(2), memfd_create(2), seals of fcntl(2)). No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const int ProtNone = 0, ProtRead = 1, ProtWrite = 2, ProtExec = 4;
    internal const int MapShared = 1, MapPrivate = 2, MapFixed = 0x10, MapAnonymous = 0x20, MapNoReserve = 0x4000;
    internal const int MadvHugePage = 14, MadvNoHugePage = 15, MadvDontNeed = 4;
    internal const uint MfdCloexec = 1, MfdAllowSealing = 2;
    internal const int FcntlAddSeals = 1033, SealSeal = 1, SealShrink = 2, SealGrow = 4;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    internal static partial void* Mmap(void* address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    internal static partial int Munmap(void* address, nuint length);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    internal static partial int Mprotect(void* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    internal static partial int Madvise(void* address, nuint length, int advice);

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int MemfdCreate(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "ftruncate", SetLastError = true)]
    internal static partial int Ftruncate(int fd, nint length);

    // Variadic in C; an integer travels in the same register either way.
    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    internal static partial int FcntlSeal(int fd, int command, int seals);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int fd);
}
