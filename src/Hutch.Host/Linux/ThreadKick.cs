using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>
/// Interrupts a system call of another thread of this process by a real-time signal that neither the C library nor the runtime uses. Its
/// handler does nothing and is no managed code: the C library's abs, which takes the signal's number, touches no memory and returns.
/// </summary>
public static unsafe class ThreadKick
{
    // SIGRTMIN is 34 with glibc, 35 with musl; the runtime stops threads with SIGRTMIN itself.
    private const int Signal = 44;

    private static readonly int ProcessId = Install();

    /// <summary>The calling thread, for <see cref="Send"/>.</summary>
    public static int CurrentThread => (int)Libc.ThreadCall(Libc.SysGettid, 0, 0, 0);

    /// <summary>Makes the thread's current interruptible call return EINTR. A thread that has ended is no error. Any thread.</summary>
    public static void Send(int thread) => _ = Libc.ThreadCall(Libc.SysTgkill, ProcessId, thread, Signal);

    private static int Install()
    {
        SignalAction old, action = new()
        {
            Handler = NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "abs"),
            // Other calls of the thread go on; KVM_RUN returns EINTR all the same.
            Flags = Libc.SaRestart,
        };
        // SAFETY: both structures are on this frame, and the handler is a function of the C library, which is never unloaded.
        if (Libc.SignalActionOf(Signal, &action, &old) != 0) LinuxException.ThrowLast("sigaction", $"Signal {Signal}, which stops a vCPU");
        if (old.Handler != 0 && old.Handler != action.Handler) throw new LinuxException("sigaction", 16, $"Signal {Signal}, which stops a vCPU, has a handler already");
        return Libc.GetProcessId();
    }
}
