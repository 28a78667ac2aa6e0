using System.Threading;

namespace Hutch.Host.Linux;

/// <summary>Orders this thread's memory accesses against every other running thread of the process, so that those need no fence of their own.</summary>
public static class ProcessBarrier
{
    /// <summary>Returns when every other thread has passed a full memory barrier. Costs microseconds: for rare events.</summary>
    public static void Execute() => Interlocked.MemoryBarrierProcessWide();
}
