using System;

namespace Hutch.Cpu.Cpuid;

/// <summary>
/// What the guest is told about speculation, so that a stock kernel chooses mitigations that mean something here.
/// <para>The vCPU's speculation is the host CPU's, seen through translation. Flaws that leak across a privilege boundary of the host (Meltdown, MDS, L1TF and
/// their kin) are passed on exactly as the host's kernel reports them: where the host is affected, the guest is told nothing that would make it feel safe.</para>
/// <para>Branch prediction differs. A guest RET is never a host RET: it looks its target up and jumps, so return prediction (SRSO, branch type
/// confusion of returns) has nothing to act on, and BTC_NO and SRSO_NO are true of the vCPU. A guest retpoline does not survive translation
/// either: it becomes such a look-up too, and gives the guest no more protection than a plain indirect branch, at several times the cost. Guests are therefore
/// told of automatic (or always-on) IBRS, which selects plain indirect branches. Guest user and guest kernel code are one host process at one privilege: against
/// its own user code a guest kernel has here the protection between two parts of one process, whatever it is told.</para>
/// <para>Models of CPUs with IBRS, STIBP, SSBD and IBPB have these MSRs; what a guest writes is kept and has no effect on the host.</para>
/// </summary>
internal static class Mitigations
{
    // IA32_ARCH_CAPABILITIES bits (Intel SDM 4, table 2-2) and the name of the host kernel's file that vouches for each.
    private static readonly (string File, int Bit)[] ByFile =
    [
        ("meltdown", 0), ("l1tf", 3), ("spec_store_bypass", 4), ("mds", 5), ("itlb_multihit", 6), ("tsx_async_abort", 8),
        ("mmio_stale_data", 13), ("mmio_stale_data", 14), ("mmio_stale_data", 15), ("gather_data_sampling", 26),
        ("reg_file_data_sampling", 27), ("indirect_target_selection", 62),
    ];

    // IBRS_ALL; BHI_NO and PBRSB_NO for the reason above: no guest branch is a host branch of the same kind.
    private const ulong BranchBits = 1 << 1 | 1 << 20 | 1 << 24;

    /// <summary>IA32_ARCH_CAPABILITIES for Intel guests.</summary>
    /// <param name="isNotAffected">Whether the host's kernel says that a flaw is absent, by file name.</param>
    public static ulong ArchCapabilities(Func<string, bool> isNotAffected)
    {
        ulong value = BranchBits;
        foreach ((string file, int bit) in ByFile)
            if (isNotAffected(file)) value |= 1UL << bit;
        return value;
    }
}
