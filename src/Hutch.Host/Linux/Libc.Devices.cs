using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>libc calls on device files (open(2), ioctl(2), pread(2)). No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    // The C prototype of ioctl is variadic; on x86-64 the third argument travels in the same register either way.
    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int Ioctl(int fd, nuint request, nuint argument);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    internal static partial nint Pread(int fd, byte* buffer, nuint count, long offset);

    [LibraryImport("libc", EntryPoint = "pwrite", SetLastError = true)]
    internal static partial nint Pwrite(int fd, byte* buffer, nuint count, long offset);
}
