using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>libc calls on open files (read(2), write(2), pread(2)). No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const int Eintr = 4, Eagain = 11;

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    internal static partial nint Read(int fd, void* destination, nuint length);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    internal static partial nint Write(int fd, void* source, nuint length);

    [LibraryImport("libc", EntryPoint = "pread", SetLastError = true)]
    internal static partial nint ReadAt(int fd, void* destination, nuint length, nint offset);
}
