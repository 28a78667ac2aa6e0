using System;
using System.Globalization;
using System.IO;
using System.Numerics;
using Hutch.Host.Linux;
using Hutch.Host.Memory;

namespace Hutch.Host.Trials;

/// <summary>Trials of kinds of memory. Each maps a little, uses it and gives it back.</summary>
public static unsafe class MemoryTrials
{
    private const int HugeBytes = 2 << 20;

    /// <summary>Takes one page of the hugetlbfs pool of pages of <paramref name="pageBytes"/> (a power of two) and writes to it.</summary>
    public static Trial HugePage(ulong pageBytes)
    {
        int size = BitOperations.Log2(pageBytes) << Libc.MapHugeShift;
        int flags = Libc.MapPrivate | Libc.MapAnonymous | Libc.MapHugeTlb | size;
        byte* page = (byte*)Libc.Mmap(null, (nuint)pageBytes, Libc.ProtRead | Libc.ProtWrite, flags, -1, 0);
        if ((nint)page == -1) return Trial.Of(-1);
        // SAFETY: the page was reserved by the mapping, so the write cannot fail; nobody else knows it.
        *page = 1;
        _ = Libc.Munmap(page, (nuint)pageBytes);
        return new Trial(true);
    }

    /// <summary>Asks for a transparent huge page and writes to it. The value is the growth of this process's AnonHugePages in bytes.</summary>
    public static Trial TransparentHugePage()
    {
        using MappedRegion region = MappedRegion.Allocate(2 * HugeBytes, "A trial of huge pages");
        byte* page = (byte*)(((nuint)region.Start + HugeBytes - 1) & ~(nuint)(HugeBytes - 1));
        // SAFETY: an aligned huge page lies inside twice its size.
        if (Libc.Madvise(page, HugeBytes, Libc.MadvHugePage) != 0) return Trial.Of(-1);
        long before = AnonymousHugeBytes();
        *page = 1;
        long grown = AnonymousHugeBytes() - before;
        return new Trial(grown > 0, Value: grown);
    }

    /// <summary>Whether the kernel takes memory for same-page merging (madvise(2) MADV_MERGEABLE).</summary>
    public static Trial Mergeable()
    {
        using MappedRegion region = MappedRegion.Allocate(4096, "A trial of merging");
        // SAFETY: the whole mapping, which only this method knows.
        return Trial.Of(Libc.Madvise(region.Start, 4096, Libc.MadvMergeable));
    }

    /// <summary>Whether the kernel has memory policies (get_mempolicy(2)).</summary>
    public static Trial Policy()
    {
        int mode;
        // SAFETY: the kernel writes one int; no node mask is asked for.
        return Trial.Of(Libc.Syscall(Libc.SysGetMempolicy, (nint)(&mode), 0, 0, 0, 0, 0));
    }

    /// <summary>Whether code that this process writes can be executed: one function is made and called.</summary>
    public static Trial CodeMemory()
    {
        try
        {
            using ExecutableRegion region = ExecutableRegion.Allocate(4096, "A trial of code memory");
            ReadOnlySpan<byte> code = [0xb8, 0x2a, 0, 0, 0, 0xc3];            // mov eax, 42; ret
            // SAFETY: the code fits into the region and keeps the C calling convention; the region outlives the call.
            code.CopyTo(new Span<byte>(region.Writable, code.Length));
            return new Trial(((delegate* unmanaged[Cdecl]<int>)region.Executable)() == 42);
        }
        catch (LinuxException refused)
        {
            return new Trial(false, refused.Errno);
        }
    }

    private static long AnonymousHugeBytes()
    {
        const string Name = "AnonHugePages:";
        try
        {
            foreach (string line in File.ReadLines("/proc/self/smaps_rollup"))
                if (line.StartsWith(Name, StringComparison.Ordinal))
                    return long.Parse(line.AsSpan(Name.Length, line.Length - Name.Length - 3).Trim(), CultureInfo.InvariantCulture) << 10;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException or FormatException) { }
        return 0;
    }
}
