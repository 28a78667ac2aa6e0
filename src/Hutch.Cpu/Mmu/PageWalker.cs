using System.Threading;
using Hutch.Core.Memory;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Mmu;

/// <summary>The result of a successful walk.</summary>
internal struct PageTranslation
{
    /// <summary>Guest physical address of the 4 KiB page that holds the linear address.</summary>
    public ulong PhysicalPage;

    /// <summary>Stores are allowed for the mode that asked, and the D flag is set.</summary>
    public bool Writable;

    /// <summary>The guest maps it with a page larger than 4 KiB.</summary>
    public bool Large;

    /// <summary>The guest maps it with a 1 GiB page.</summary>
    public bool Huge;

    /// <summary>The mapping is global.</summary>
    public bool Global;
}

/// <summary>
/// Walks guest page tables (Intel SDM 3A chapter 4): none, 32-bit with PSE, PAE, 4-level; sets accessed and dirty flags with
/// locked operations; raises page faults with exact error codes on the vCPU.
/// </summary>
internal sealed unsafe class PageWalker(SoftVcpu vcpu)
{
    private const ulong Present = 1, Write = 2, User = 4, Accessed = 0x20, Dirty = 0x40, PageSize = 0x80, GlobalBit = 0x100;
    private const ulong NoExecute = 1UL << 63, AddressMask = 0x000f_ffff_ffff_f000;
    private const ulong Cr0Wp = 1 << 16, Cr4Pse = 1 << 4, Cr4Pae = 1 << 5, Cr4Pge = 1 << 7, Cr4Smep = 1 << 20, Cr4Smap = 1 << 21;
    private const ulong EferLma = 1 << 10, EferNxe = 1 << 11;
    private const uint ProtectionKey = 1 << 5;

    private readonly GuestMemory _memory = vcpu.Memory;
    private readonly ulong _reservedAddress = AddressMask & ~((1UL << vcpu.PhysicalAddressBits) - 1);

    /// <summary>Translates a linear address for one access. False: a page fault is pending on the vCPU.</summary>
    public bool Walk(ulong linear, AccessKind kind, AccessMode mode, out PageTranslation result)
    {
        VcpuContext* c = vcpu.Context;
        result = default;
        if ((c->Cr0 >> 31) == 0)
        {
            result.PhysicalPage = linear & 0xffff_f000;
            result.Writable = true;
            return true;
        }
        Walked walked;
        do
        {
            walked = default;
            walked.Rights = Write | User;
            bool present = (c->Efer & EferLma) != 0 ? WalkLong(c, linear, ref walked)
                : (c->Cr4 & Cr4Pae) != 0 ? WalkPae(c, linear, ref walked) : WalkLegacy(c, linear, ref walked);
            if (walked.Changed) continue;
            if (!present) return PageFault(linear, kind, mode, walked.Reserved ? 9u : 0u);
            if (!Allowed(c, walked.Rights, kind, mode)) return PageFault(linear, kind, mode, 1);
            if (!KeyAllows(walked, kind, mode)) return PageFault(linear, kind, mode, 1 | ProtectionKey);
            SetDirty(ref walked, kind);
        }
        while (walked.Changed);
        result.PhysicalPage = walked.Page;
        result.Large = walked.Large;
        result.Huge = walked.Huge;
        result.Global = (walked.Leaf & GlobalBit) != 0 && (c->Cr4 & Cr4Pge) != 0;
        result.Writable = (walked.Leaf & Dirty) != 0 && Allowed(c, walked.Rights, AccessKind.Write, mode) && KeyAllows(walked, AccessKind.Write, mode);
        return true;
    }

    /// <summary>The rights and place of a translation found so far. Rights: R/W and U/S as the AND, XD as the OR of all levels.</summary>
    private struct Walked
    {
        public ulong Rights, Leaf, Page, LeafAddress;
        public bool Large, Huge, Reserved, Leaf32;

        /// <summary>Another vCPU changed an entry between our reading it and setting its flags: the walk begins anew.</summary>
        public bool Changed;
    }

    private bool WalkLong(VcpuContext* c, ulong linear, ref Walked w)
    {
        ulong table = c->Cr3 & AddressMask;
        for (int shift = 39; ; shift -= 9)
        {
            ulong at = table + (((linear >> shift) & 0x1ff) << 3);
            if (!ReadEntry(c, at, ref w, out ulong entry)) return false;
            if (shift > 12 && (entry & PageSize) != 0)
            {
                if (shift == 39 || (entry & AddressMask & ((1UL << shift) - 1) & ~0x1000UL) != 0) return Reserved(ref w);
                return Leaf(ref w, at, entry, entry & AddressMask & ~((1UL << shift) - 1), linear, shift);
            }
            if (shift == 12) return Leaf(ref w, at, entry, entry & AddressMask, linear, 12);
            if (!SetFlags(ref w, at, entry, Accessed)) return false;
            table = entry & AddressMask;
        }
    }

    private bool WalkPae(VcpuContext* c, ulong linear, ref Walked w)
    {
        ulong at = (c->Cr3 & 0xffff_ffe0) + (((linear >> 30) & 3) << 3);
        if (!_memory.TryReadTable(at, out ulong pdpte) || (pdpte & Present) == 0) return false;
        if ((pdpte & (_reservedAddress | 0x1e6 | NoExecute)) != 0) return Reserved(ref w);
        at = (pdpte & AddressMask) + (((linear >> 21) & 0x1ff) << 3);
        if (!ReadEntry(c, at, ref w, out ulong entry)) return false;
        if ((entry & PageSize) != 0)
        {
            if ((entry & 0x1fe000) != 0) return Reserved(ref w);
            return Leaf(ref w, at, entry, entry & AddressMask & ~0x1fffffUL, linear, 21);
        }
        if (!SetFlags(ref w, at, entry, Accessed)) return false;
        at = (entry & AddressMask) + (((linear >> 12) & 0x1ff) << 3);
        return ReadEntry(c, at, ref w, out entry) && Leaf(ref w, at, entry, entry & AddressMask, linear, 12);
    }

    private bool WalkLegacy(VcpuContext* c, ulong linear, ref Walked w)
    {
        w.Leaf32 = true;
        ulong at = (c->Cr3 & 0xffff_f000) + (((linear >> 22) & 0x3ff) << 2);
        if (!_memory.TryReadTable(at, out uint pde) || (pde & Present) == 0) return false;
        w.Rights &= pde;
        if ((pde & PageSize) != 0 && (c->Cr4 & Cr4Pse) != 0)
        {
            if ((pde & (1 << 21)) != 0) return Reserved(ref w);
            ulong big = (pde & 0xffc0_0000UL) | ((ulong)((pde >> 13) & 0xff) << 32);
            return Leaf(ref w, at, pde, big, linear, 22);
        }
        if (!SetFlags(ref w, at, pde, Accessed)) return false;
        at = (pde & 0xffff_f000UL) + (((linear >> 12) & 0x3ff) << 2);
        if (!_memory.TryReadTable(at, out uint pte) || (pte & Present) == 0) return false;
        w.Rights &= pte;
        return Leaf(ref w, at, pte, pte & 0xffff_f000UL, linear, 12);
    }

    private bool ReadEntry(VcpuContext* c, ulong at, ref Walked w, out ulong entry)
    {
        if (!_memory.TryReadTable(at, out entry) || (entry & Present) == 0) return false;
        ulong reserved = _reservedAddress | ((c->Efer & EferNxe) == 0 ? NoExecute : 0);
        if ((entry & reserved) != 0) return Reserved(ref w);
        w.Rights = (w.Rights & entry & (Write | User)) | ((w.Rights | entry) & NoExecute);
        return true;
    }

    private static bool Reserved(ref Walked w)
    {
        w.Reserved = true;
        return false;
    }

    private static bool Leaf(ref Walked w, ulong at, ulong entry, ulong frame, ulong linear, int shift)
    {
        w.Leaf = entry;
        w.LeafAddress = at;
        w.Large = shift > 12;
        w.Huge = shift == 30;
        w.Page = frame | (linear & ((1UL << shift) - 1) & ~0xfffUL);
        return true;
    }

    private bool KeyAllows(in Walked w, AccessKind kind, AccessMode mode) => kind == AccessKind.Execute || (w.Rights & User) == 0 || w.Leaf32
        || vcpu.ProtectionKeys.Allow(w.Leaf, kind == AccessKind.Write, mode == AccessMode.User);

    private static bool Allowed(VcpuContext* c, ulong rights, AccessKind kind, AccessMode mode)
    {
        bool userPage = (rights & User) != 0;
        if (mode == AccessMode.User)
        {
            if (!userPage || (kind == AccessKind.Write && (rights & Write) == 0)) return false;
        }
        else
        {
            if (userPage && kind == AccessKind.Execute && (c->Cr4 & Cr4Smep) != 0) return false;
            if (userPage && kind != AccessKind.Execute && mode == AccessMode.Supervisor && (c->Cr4 & Cr4Smap) != 0) return false;
            if (kind == AccessKind.Write && (rights & Write) == 0 && (c->Cr0 & Cr0Wp) != 0) return false;
        }
        return kind != AccessKind.Execute || (rights & NoExecute) == 0;
    }

    private void SetDirty(ref Walked w, AccessKind kind)
    {
        ulong wanted = Accessed | (kind == AccessKind.Write ? Dirty : 0);
        if (SetFlags(ref w, w.LeafAddress, w.Leaf, wanted)) w.Leaf |= wanted;
    }

    // Only in the entry that was seen: flags set in one that another vCPU has just cleared would be part of what the guest keeps there
    // (a swap entry), and the guest would take the page for clean.
    private bool SetFlags(ref Walked w, ulong at, ulong seen, ulong flags)
    {
        if ((seen & flags) == flags) return true;
        byte* host = _memory.WritableHostAddress(at);
        // Tables in read-only memory: the processor's store goes nowhere.
        if (host == null) return true;
        // SAFETY: the entry was just read from this address, which is RAM; entries are naturally aligned, so they do not cross a page.
        w.Changed = w.Leaf32
            ? Interlocked.CompareExchange(ref *(uint*)host, (uint)(seen | flags), (uint)seen) != (uint)seen
            : Interlocked.CompareExchange(ref *(ulong*)host, seen | flags, seen) != seen;
        if (!w.Changed) vcpu.Machine.CodePages.Dirty.Note(vcpu.Machine.CodePages.IndexOf(at));
        return !w.Changed;
    }

    private bool PageFault(ulong linear, AccessKind kind, AccessMode mode, uint presentOrReserved)
    {
        VcpuContext* c = vcpu.Context;
        uint error = presentOrReserved;
        if (kind == AccessKind.Write) error |= 2;
        if (mode == AccessMode.User) error |= 4;
        bool fetchReported = (c->Cr4 & Cr4Smep) != 0 || ((c->Efer & EferNxe) != 0 && (c->Cr4 & Cr4Pae) != 0);
        if (kind == AccessKind.Execute && fetchReported) error |= 16;
        return vcpu.RaisePageFault(linear, error);
    }
}
