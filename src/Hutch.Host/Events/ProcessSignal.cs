using Hutch.Host.Linux;

namespace Hutch.Host.Events;

/// <summary>Signals to this process itself.</summary>
public static unsafe class ProcessSignal
{
    /// <summary>Ends or stops the process as the signal's default action does (raise(3)); returns where that action is to ignore it.</summary>
    public static void Raise(int signal)
    {
        SignalAction standard = default;
        // SAFETY: the structure lives on this frame. SIGKILL and SIGSTOP refuse and need no change.
        _ = Libc.SignalActionOf(signal, &standard, null);
        int process = Libc.GetProcessId();
        _ = Libc.ThreadCall(Libc.SysTgkill, process, Libc.ThreadCall(Libc.SysGettid, 0, 0, 0), signal);
    }
}
