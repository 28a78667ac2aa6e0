using Hutch.Core.Memory;

namespace Hutch.Vmm.Boot;

/// <summary>
/// Where a direct boot puts what firmware would have left in low memory. All of it lies in [0x6000, 0x31000), so that kernels
/// and their CPU start-up trampolines find the rest of the first 639 KiB free; firmware tables lie in [0xE0000, 0x100000).
/// </summary>
internal static class BootLayout
{
    /// <summary>First byte that a loader uses.</summary>
    internal const ulong Start = 0x6000;

    /// <summary>The information structure of PVH or multiboot.</summary>
    internal const ulong Info = 0x6000;

    /// <summary>Its module list.</summary>
    internal const ulong Modules = 0x6100;

    /// <summary>Its memory map.</summary>
    internal const ulong MemoryMap = 0x6400;

    /// <summary>Linux boot_params, one page.</summary>
    internal const ulong ZeroPage = 0x7000;

    /// <summary>Global descriptor table.</summary>
    internal const ulong Gdt = 0x8000;

    /// <summary>Linux setup_data chain.</summary>
    internal const ulong SetupData = 0x8100;

    /// <summary>Top of a scratch stack.</summary>
    internal const ulong StackTop = 0x8ff0;

    /// <summary>PML4, PDPT and four page directories.</summary>
    internal const ulong PageTables = 0x9000;

    /// <summary>Command line.</summary>
    internal const ulong CommandLine = 0x2_0000;

    /// <summary>Room for the command line and its NUL, in bytes.</summary>
    internal const int CommandLineRoom = 0x1_0000;

    /// <summary>Names of modules, after the command line.</summary>
    internal const ulong ModuleName = 0x3_0000;

    /// <summary>First byte after what a loader uses.</summary>
    internal const ulong End = 0x3_1000;

    /// <summary>Where conventional memory ends and the extended BIOS data area begins.</summary>
    internal const ulong LowRamEnd = 0x9_fc00;

    /// <summary>Where RAM goes on.</summary>
    internal const ulong HighRamStart = 0x10_0000;

    /// <summary>Whether an image may occupy the range: RAM, and nothing that the loader or the firmware tables use.</summary>
    internal static bool IsFree(GuestMemory memory, ulong start, ulong lengthBytes)
    {
        if (lengthBytes == 0) return true;
        if (!memory.IsRam(start, lengthBytes)) return false;
        ulong last = start + (lengthBytes - 1);
        bool hitsTables = start < End && last >= Start;
        bool hitsHole = start < HighRamStart && last >= LowRamEnd;
        return !hitsTables && !hitsHole;
    }
}
