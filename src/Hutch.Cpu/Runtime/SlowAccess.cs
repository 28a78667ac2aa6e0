using Hutch.Cpu.Mmu;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Runtime;

/// <summary>A memory access of translated code whose TLB check failed, as its inline data describes it.</summary>
internal readonly unsafe struct SlowAccess(uint info)
{
    private int Size => (int)(info & 0xff);

    private AccessKind Kind => (info & 0x100) != 0 ? AccessKind.Write : AccessKind.Read;

    private AccessMode Mode => (AccessMode)((info >> 9) & 3);

    /// <summary>The live arithmetic flags are in FlagSave.</summary>
    public bool FlagsSaved => (info & 0x800) != 0;

    /// <summary>RFLAGS bits from LAHF's AH and SETO's AL.</summary>
    public static ulong Unpack(ushort saved) => ((ulong)(saved >> 8) & 0xd5) | ((ulong)(saved & 1) << 11);

    /// <summary>
    /// Fills the TLB entry if the access can go to RAM as it stands, and sets R10 and R11 so that their sum is the host address. False, with no
    /// fault pending: the interpreter must execute the instruction (a fault, MMIO, a page crossing, a page with translated code).
    /// </summary>
    public bool TryFill(SoftVcpu vcpu)
    {
        VcpuContext* c = vcpu.Context;
        var entry = (TlbEntry*)(c->ContextBase + ContextLayout.Tlb + (ulong)((int)Mode * ContextLayout.TlbStride) + c->ScratchR10);
        ulong address = c->ScratchR11 + (Kind == AccessKind.Write ? entry->WriteTag : entry->ReadTag);
        if ((address & 0xfff) + (ulong)Size > 4096 || !vcpu.IsCanonical(address)) return false;
        if (!vcpu.Walker.Walk(address, Kind, Mode, out PageTranslation page))
        {
            vcpu.ClearFault();
            return false;
        }
        byte* host = vcpu.Memory.HostAddress(page.PhysicalPage);
        if (host == null) return false;
        CodePages codePages = vcpu.Machine.CodePages;
        int index = codePages.IndexOf(page.PhysicalPage);
        bool writable = page.Writable && vcpu.Memory.IsWritable(page.PhysicalPage) && codePages.TryBecomeWriter(index, vcpu.Index, Kind == AccessKind.Write);
        if (Kind == AccessKind.Write && !writable) return false;
        vcpu.Contexts.Fill(address, Mode, page, host, index, writable);
        c->ScratchR10 = (ulong)host;
        c->ScratchR11 = address & 0xfff;
        return true;
    }
}
