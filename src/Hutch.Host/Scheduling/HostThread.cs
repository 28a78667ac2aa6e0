using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using Hutch.Host.Linux;

namespace Hutch.Host.Scheduling;

/// <summary>A thread of this process by its kernel id. Any thread may call; a thread that has ended is an error ESRCH.</summary>
/// <param name="Id">Thread id (gettid(2)).</param>
public readonly unsafe record struct HostThread(int Id)
{
    private const int MaskWords = CpuSet.Limit / 64;

    /// <summary>The thread that calls.</summary>
    public static HostThread Current => new(ThreadKick.CurrentThread);

    /// <summary>All threads of this process now.</summary>
    public static IEnumerable<HostThread> OfProcess()
    {
        foreach (string folder in Directory.EnumerateDirectories("/proc/self/task"))
            if (int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int id)) yield return new HostThread(id);
    }

    /// <summary>CPUs that the thread may run on.</summary>
    public CpuSet Affinity
    {
        get
        {
            ulong[] mask = new ulong[MaskWords];
            // SAFETY: the kernel writes at most as many bytes as it is told there are.
            fixed (ulong* words = mask)
                if (Libc.GetAffinity(Id, MaskWords * 8, words) < 0) LinuxException.ThrowLast("sched_getaffinity", $"Thread {Id}");
            return CpuSet.FromMask(mask);
        }
    }

    /// <summary>Says where the thread may run. Throws <see cref="LinuxException"/>, EINVAL where none of the CPUs exists or is allowed.</summary>
    public void SetAffinity(CpuSet cpus)
    {
        ulong[] mask = cpus.ToMask();
        // SAFETY: the kernel reads as many bytes as the array has.
        fixed (ulong* words = mask)
            if (Libc.SetAffinity(Id, (nuint)mask.Length * 8, words) < 0) LinuxException.ThrowLast("sched_setaffinity", $"Thread {Id} on CPUs {cpus}");
    }

    /// <summary>How the thread is scheduled.</summary>
    public SchedulerClass Scheduler
    {
        get
        {
            int policy = Libc.GetScheduler(Id), priority = 0;
            // SAFETY: struct sched_param is one int on this frame.
            if (policy < 0 || Libc.GetPriority(Id, &priority) < 0) LinuxException.ThrowLast("sched_getscheduler", $"Thread {Id}");
            // Bit 30 is SCHED_RESET_ON_FORK.
            return new SchedulerClass(policy & ~(1 << 30), priority);
        }
    }

    /// <summary>Has the thread scheduled otherwise. Throws <see cref="LinuxException"/>, EPERM where the user may not.</summary>
    public void SetScheduler(SchedulerClass wanted)
    {
        int priority = wanted.Priority;
        // SAFETY: struct sched_param is one int on this frame.
        if (Libc.SetScheduler(Id, wanted.Policy, &priority) < 0) LinuxException.ThrowLast("sched_setscheduler", $"Thread {Id} as {wanted}");
    }

    /// <summary>CPU time that the thread has used so far (/proc/self/task/ID/schedstat); zero where the kernel does not count it.</summary>
    public TimeSpan CpuTime
    {
        get
        {
            try
            {
                string[] figures = File.ReadAllText($"/proc/self/task/{Id}/schedstat").Split(' ');
                return long.TryParse(figures[0], NumberStyles.None, CultureInfo.InvariantCulture, out long nanoseconds) ? TimeSpan.FromTicks(nanoseconds / 100) : TimeSpan.Zero;
            }
            catch (Exception ended) when (ended is IOException or UnauthorizedAccessException)
            {
                return TimeSpan.Zero;
            }
        }
    }
}
