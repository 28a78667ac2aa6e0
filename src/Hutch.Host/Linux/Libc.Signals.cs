using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>struct sigaction as glibc and musl lay it out on x86-64 (sigaction(2)): 152 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 152)]
internal struct SignalAction
{
    /// <summary>sa_handler; 0 is the default action.</summary>
    [FieldOffset(0)] internal nint Handler;

    /// <summary>sa_flags, behind the 128 bytes of sa_mask.</summary>
    [FieldOffset(136)] internal int Flags;
}

/// <summary>libc calls on signals and threads. No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const int SaRestart = 0x1000_0000;
    internal const nint SysGettid = 186, SysTgkill = 234;

    [LibraryImport("libc", EntryPoint = "sigaction", SetLastError = true)]
    internal static partial int SignalActionOf(int signal, SignalAction* action, SignalAction* old);

    [LibraryImport("libc", EntryPoint = "getpid")]
    internal static partial int GetProcessId();

    /// <summary>gettid(2) and tgkill(2) through syscall(2); x86-64 passes the arguments of a variadic integer call as of any other.</summary>
    [LibraryImport("libc", EntryPoint = "syscall")]
    internal static partial nint ThreadCall(nint number, nint first, nint second, nint third);
}
