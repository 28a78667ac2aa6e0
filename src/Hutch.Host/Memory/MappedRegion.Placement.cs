using System;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Host.Linux;
using Hutch.Host.Scheduling;

namespace Hutch.Host.Memory;

/// <summary>Where pages come from (mbind(2)), by the kernel's numbers.</summary>
public enum NumaMode
{
    /// <summary>From one node, from others when it is full.</summary>
    Preferred = 1,

    /// <summary>From these nodes only.</summary>
    Bind = 2,

    /// <summary>From these nodes in turn.</summary>
    Interleave = 3,
}

/// <summary>Where the region's pages lie and how they are kept. Every method throws <see cref="LinuxException"/> where the kernel refuses.</summary>
public sealed unsafe partial class MappedRegion
{
    private const ulong SliceBytes = 64 << 20;

    private bool _stays;

    /// <summary>Has the kernel take pages of a part from these nodes, and move those that lie on others as far as it can.</summary>
    public void Bind(NumaMode mode, CpuSet nodes, ulong offset, ulong lengthBytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, LengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - lengthBytes);
        const nint MovePages = 2;
        ulong[] mask = nodes.ToMask();
        // SAFETY: a part of the mapping, as was just checked, and a mask whose length in bits is passed (the kernel leaves the last one out).
        fixed (ulong* words = mask)
            if (Libc.Syscall(Libc.SysMbind, handle + (nint)offset, (nint)lengthBytes, (nint)mode, (nint)words, (nint)mask.Length * 64 + 1, MovePages) < 0)
                LinuxException.ThrowLast("mbind", $"Memory on nodes {nodes}");
    }

    /// <summary>Takes all pages now, on so many threads at once, so that none can be missing later.</summary>
    public void Populate(int threads)
    {
        long next = 0;
        int errno = 0;
        void Work()
        {
            while (Volatile.Read(ref errno) == 0)
            {
                ulong offset = (ulong)(Interlocked.Add(ref next, (long)SliceBytes) - (long)SliceBytes);
                if (offset >= LengthBytes) return;
                // SAFETY: the slice lies within the mapping.
                if (Libc.Madvise(Start + offset, (nuint)Math.Min(SliceBytes, LengthBytes - offset), Libc.MadvPopulateWrite) != 0)
                    Volatile.Write(ref errno, Marshal.GetLastPInvokeError());
            }
        }
        Thread[] others = new Thread[Math.Max(0, threads - 1)];
        for (int index = 0; index < others.Length; index++)
        {
            others[index] = new Thread(Work, 128 << 10) { IsBackground = true, Name = "prealloc" };
            others[index].Start();
        }
        Work();
        foreach (Thread other in others) other.Join();
        _stays = true;
        if (errno != 0) throw new LinuxException("madvise", errno, $"{LengthBytes} bytes of memory at once");
    }

    /// <summary>From now on no page is given back: clearing writes zeros.</summary>
    public void KeepPages() => _stays = true;

    /// <summary>Keeps all pages in RAM, taking those that are not there yet.</summary>
    public void LockPages()
    {
        // SAFETY: the whole mapping.
        if (Libc.Mlock(Start, (nuint)LengthBytes) != 0) LinuxException.ThrowLast("mlock", $"{LengthBytes} bytes of locked memory");
    }

    /// <summary>Lets pages be swapped again.</summary>
    public void UnlockPages()
    {
        // SAFETY: the whole mapping.
        if (Libc.Munlock(Start, (nuint)LengthBytes) != 0) LinuxException.ThrowLast("munlock", "Memory");
    }

    /// <summary>Lets the kernel make huge pages of a part's in time, or no more of them.</summary>
    public void SetTransparentHugePages(bool huge, ulong offset, ulong lengthBytes) => Advise(huge ? Libc.MadvHugePage : Libc.MadvNoHugePage, offset, lengthBytes, "Transparent huge pages");

    /// <summary>Lets the kernel merge a part's pages with equal ones of other programs (KSM), or takes them apart again.</summary>
    public void SetMergeable(bool mergeable, ulong offset, ulong lengthBytes) => Advise(mergeable ? Libc.MadvMergeable : Libc.MadvUnmergeable, offset, lengthBytes, "Merging of memory");

    private void Advise(int advice, ulong offset, ulong lengthBytes, string purpose)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, LengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - lengthBytes);
        // SAFETY: a part of the mapping, as was just checked; the advice changes no content.
        if (Libc.Madvise(Start + offset, (nuint)lengthBytes, advice) != 0) LinuxException.ThrowLast("madvise", purpose);
    }
}
