using System;
using System.IO;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Trials;

/// <summary>A limit on this process (getrlimit(2)); <see cref="ulong.MaxValue"/>: none.</summary>
/// <param name="Soft">What holds now.</param>
/// <param name="Hard">How far the process may raise it.</param>
public readonly record struct ProcessLimit(ulong Soft, ulong Hard);

/// <summary>Resources that getrlimit(2) knows, by the kernel's numbers on x86.</summary>
public enum LimitedResource
{
    /// <summary>RLIMIT_NOFILE: open files.</summary>
    OpenFiles = 7,

    /// <summary>RLIMIT_MEMLOCK: bytes that may be locked into RAM.</summary>
    LockedMemory = 8,

    /// <summary>RLIMIT_AS: bytes of address space.</summary>
    AddressSpace = 9,
}

/// <summary>Trials of what the kernel grants this process.</summary>
public static unsafe class SystemTrials
{
    private const int ClockUnsynchronised = 0x40, ClockInError = 5, TimexBytes = 208, TimexStatus = 40;
    private const int LandlockVersion = 1, MostGroups = 65536;

    /// <summary>Whether Landlock is active. The value is its ABI version.</summary>
    public static Trial Landlock() => Trial.Of(Libc.Syscall(Libc.SysLandlockCreateRuleset, 0, 0, LandlockVersion, 0, 0, 0));

    /// <summary>Whether the kernel holds its clock for synchronised (adjtimex(2)). Fails with errno 0 where it does not.</summary>
    public static Trial ClockSynchronised()
    {
        byte* timex = stackalloc byte[TimexBytes];
        // SAFETY: struct timex of a 64-bit kernel on this frame, all zero: it is only read out.
        int state = Libc.AdjustClock(timex);
        if (state < 0) return Trial.Of(state);
        return new Trial(state != ClockInError && (*(int*)(timex + TimexStatus) & ClockUnsynchronised) == 0);
    }

    /// <summary>Whether the kernel lets programs use RDFSBASE and WRGSBASE (AT_HWCAP2, HWCAP2_FSGSBASE): the CPU's flag alone does not say it.</summary>
    public static Trial FsGsBase()
    {
        const nuint Capabilities2 = 26, FsGsBaseBit = 2;
        return new Trial((Libc.GetAuxiliaryValue(Capabilities2) & FsGsBaseBit) != 0);
    }

    /// <summary>The limit of a resource.</summary>
    public static ProcessLimit Limit(LimitedResource resource)
    {
        ResourceLimit limit;
        // SAFETY: the kernel fills one structure on this frame.
        return Libc.GetLimit((int)resource, &limit) != 0 ? new ProcessLimit(ulong.MaxValue, ulong.MaxValue) : new ProcessLimit(limit.Soft, limit.Hard);
    }

    /// <summary>Writes a file in <paramref name="directory"/>, brings it to the disk with fsync(2) and removes it.</summary>
    public static Trial Fsync(string directory)
    {
        string path = Path.Combine(directory, $".hutch-fsync-{Guid.NewGuid():N}");
        try
        {
            using SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, FileOptions.DeleteOnClose);
            RandomAccess.Write(file, [1], 0);
            return Trial.Of(Libc.Fsync(file));
        }
        catch (UnauthorizedAccessException)
        {
            return new Trial(false, Trial.AccessDenied);
        }
        catch (IOException refused)
        {
            // .NET keeps the errno in the low bits of what it throws for files.
            return new Trial(false, refused.HResult & 0xffff);
        }
    }

    /// <summary>Makes a directory and removes it again, as a control group is made.</summary>
    public static Trial MakeDirectory(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
            Directory.Delete(path);
            return new Trial(true);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            return new Trial(false, Trial.AccessDenied);
        }
    }

    /// <summary>The effective user of this process.</summary>
    public static uint UserId => Libc.EffectiveUser();

    /// <summary>The effective group and the supplementary groups of this process.</summary>
    public static uint[] GroupIds()
    {
        uint[] groups = new uint[MostGroups];
        fixed (uint* start = groups)
        {
            // SAFETY: the kernel writes at most as many as there is room for (NGROUPS_MAX).
            int count = Math.Max(0, Libc.GetGroups(groups.Length, start));
            return [Libc.GetEffectiveGroup(), .. groups.AsSpan(0, count)];
        }
    }
}
