using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>libc calls that replace this process's program (execve(2)). No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true)]
    internal static partial int Execve(byte* path, byte** arguments, byte** environment);
}
