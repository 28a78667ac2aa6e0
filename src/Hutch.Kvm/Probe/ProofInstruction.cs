using System.Collections.Generic;
using System.Runtime.Intrinsics.X86;

namespace Hutch.Kvm.Probe;

/// <summary>One instruction, or a few that belong together, that a stock kernel executes in ring 0.</summary>
/// <param name="Name">Its mnemonic.</param>
/// <param name="Code">64-bit code; RDI points to zeroed, aligned data, RCX is 255, RAX and RDX are 0. A HLT is put behind it.</param>
/// <param name="Rax">What RAX must be afterwards, or null when the code leaves no answer there.</param>
internal sealed record ProofInstruction(string Name, byte[] Code, ulong? Rax = null)
{
    // The answer of the breakpoint handler, see ProofProgram.
    private const ulong CameBack = 3;

    /// <summary>What this host's CPU has, and with XSAVE what KVM offers guests: an instruction that no guest is told of proves nothing.</summary>
    /// <param name="offersXsave">KVM offers guests XSAVE.</param>
    internal static List<ProofInstruction> ForHost(bool offersXsave)
    {
        List<ProofInstruction> list =
        [
            new("int3", [0xcc], CameBack),                                                        // and the handler's iretq
            new("swapgs", [0x0f, 0x01, 0xf8]),
            new("paddd", [0x66, 0x0f, 0xfe, 0xc1]),                                               // paddd xmm0, xmm1
            new("verw", [0xb8, 0x10, 0, 0, 0, 0x0f, 0, 0xe8]),                                    // mov eax, 0x10; verw ax
        ];
        if (HasCpuid(1, Ecx: 1 << 23)) list.Add(new("popcnt", [0xf3, 0x48, 0x0f, 0xb8, 0xc1], 8));    // popcnt rax, rcx
        if (HasCpuid(1, Ecx: 1 << 20)) list.Add(new("crc32", [0xf2, 0x48, 0x0f, 0x38, 0xf1, 0xc1]));    // crc32 rax, rcx
        if (HasCpuid(1, Ecx: 1 << 13)) list.Add(new("cmpxchg16b", [0x48, 0x0f, 0xc7, 0x0f]));     // cmpxchg16b [rdi]
        if (HasCpuid(7, Ebx: 1 << 20)) list.Add(new("stac", [0x0f, 0x01, 0xcb, 0x0f, 0x01, 0xca]));   // stac; clac
        if (!offersXsave) return list;
        list.Add(new("xgetbv", [0x31, 0xc9, 0x0f, 0x01, 0xd0], 1));                               // xor ecx, ecx; xgetbv
        // mov eax, 3; xsave64 [rdi]; xrstor64 [rdi]
        list.Add(new("xrstor", [0xb8, 3, 0, 0, 0, 0x48, 0x0f, 0xae, 0x27, 0x48, 0x0f, 0xae, 0x2f]));
        // xor ecx, ecx; mov eax, 7; xsetbv; vpaddd xmm0, xmm0, xmm1
        if (HasCpuid(1, Ecx: 1 << 28)) list.Add(new("vpaddd", [0x31, 0xc9, 0xb8, 7, 0, 0, 0, 0x0f, 0x01, 0xd1, 0xc5, 0xf9, 0xfe, 0xc1]));
        return list;
    }

    private static bool HasCpuid(int leaf, int Ebx = 0, int Ecx = 0)
    {
        (_, int ebx, int ecx, _) = X86Base.CpuId(leaf, 0);
        return (ebx & Ebx) == Ebx && (ecx & Ecx) == Ecx;
    }
}
