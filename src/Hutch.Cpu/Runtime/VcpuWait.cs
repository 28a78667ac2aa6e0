using System;
using System.Threading;
using Hutch.Host.Linux;
using Hutch.Host.Memory;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// Where one vCPU sleeps in HLT. The word is 1 while it sleeps or is about to; a waker that finds 1 wakes it. The waker sets its
/// reason first and exchanges the word afterwards; the sleeper sets the word first and looks for reasons afterwards.
/// </summary>
internal sealed unsafe class VcpuWait : IDisposable
{
    private readonly MappedRegion _memory = MappedRegion.Allocate(4096, "vCPU wait word");

    private ref int Word => ref *(int*)_memory.Start;

    /// <summary>The vCPU's thread: sleeps until <see cref="Wake"/> unless <paramref name="hasReason"/> says that a reason is there already. May wake spuriously.</summary>
    public void Sleep(Func<bool> hasReason)
    {
        Interlocked.Exchange(ref Word, 1);
        if (!hasReason()) Futex.Wait((int*)_memory.Start, 1);
        Volatile.Write(ref Word, 0);
    }

    /// <summary>Any thread, after the reason is visible.</summary>
    public void Wake()
    {
        if (Interlocked.Exchange(ref Word, 0) == 1) Futex.Wake((int*)_memory.Start, 1);
    }

    /// <inheritdoc/>
    public void Dispose() => _memory.Dispose();
}
