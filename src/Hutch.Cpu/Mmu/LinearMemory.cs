using System;
using System.Runtime.CompilerServices;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Mmu;

/// <summary>
/// Guest memory by linear address, for everything that is not translated code: the interpreter, exception delivery, descriptor
/// tables. Handles paging, page crossing, MMIO and translated-code invalidation. False means: a fault is pending on the vCPU and
/// nothing was written.
/// </summary>
internal sealed unsafe class LinearMemory(SoftVcpu vcpu)
{
    /// <summary>Reads an integer with the access rights of the current mode.</summary>
    public bool Read<T>(ulong linear, out T value) where T : unmanaged
    {
        T local = default;
        bool ok = Read(linear, &local, sizeof(T), vcpu.DataMode);
        value = local;
        return ok;
    }

    /// <summary>Writes an integer with the access rights of the current mode.</summary>
    public bool Write<T>(ulong linear, T value) where T : unmanaged => Write(linear, &value, sizeof(T), vcpu.DataMode);

    /// <summary>Reads as the processor itself does (descriptor tables, TSS): supervisor rights whatever the CPL; SMAP applies.</summary>
    public bool ReadSystem<T>(ulong linear, out T value) where T : unmanaged
    {
        T local = default;
        bool ok = Read(linear, &local, sizeof(T), AccessMode.Supervisor);
        value = local;
        return ok;
    }

    /// <summary>Writes as the processor itself does.</summary>
    public bool WriteSystem<T>(ulong linear, T value) where T : unmanaged => Write(linear, &value, sizeof(T), AccessMode.Supervisor);

    /// <summary>Reads <paramref name="size"/> bytes (any number up to 4096).</summary>
    public bool Read(ulong linear, void* destination, int size, AccessMode mode)
    {
        int first = Math.Min(size, 4096 - (int)(linear & 0xfff));
        if (first == size) return ReadPart(linear, (byte*)destination, size, mode);
        ulong second = vcpu.WrapLinear(linear + (ulong)first);
        return Locate(linear, AccessKind.Read, mode, out _, out _) && Locate(second, AccessKind.Read, mode, out _, out _)
            && ReadPart(linear, (byte*)destination, first, mode) && ReadPart(second, (byte*)destination + first, size - first, mode);
    }

    /// <summary>Writes <paramref name="size"/> bytes; faults on either page are raised before anything is written.</summary>
    public bool Write(ulong linear, void* source, int size, AccessMode mode)
    {
        int first = Math.Min(size, 4096 - (int)(linear & 0xfff));
        if (first == size) return WritePart(linear, (byte*)source, size, mode);
        ulong second = vcpu.WrapLinear(linear + (ulong)first);
        return Locate(linear, AccessKind.Write, mode, out _, out _) && Locate(second, AccessKind.Write, mode, out _, out _)
            && WritePart(linear, (byte*)source, first, mode) && WritePart(second, (byte*)source + first, size - first, mode);
    }

    /// <summary>Raises the faults that a write of this range would raise, without writing.</summary>
    public bool ProbeWrite(ulong linear, int size, AccessMode mode)
    {
        if (!Locate(linear, AccessKind.Write, mode, out _, out _)) return false;
        // A fault on the second page reports its first byte, as the access itself would.
        ulong last = vcpu.WrapLinear(linear + (ulong)size - 1) & ~0xfffUL;
        return last == (linear & ~0xfffUL) || Locate(last, AccessKind.Write, mode, out _, out _);
    }

    /// <summary>
    /// Host address for a read-modify-write or direct access that lies in one page. True with null <paramref name="host"/>: not RAM, or it crosses
    /// a page: use Read and Write. Pinned for <see cref="AccessKind.Write"/>, the range is checked for translated code when the instruction completes.
    /// </summary>
    public bool Pin(ulong linear, int size, AccessKind kind, AccessMode mode, out byte* host)
    {
        host = null;
        if ((linear & 0xfff) + (ulong)size > 4096) return true;
        if (!Locate(linear, kind, mode, out ulong physical, out host)) return false;
        if (host != null && kind == AccessKind.Write) vcpu.NoteWrite(physical, host, size);
        return true;
    }

    /// <summary>Fetches up to <paramref name="size"/> instruction bytes; stops at a page that faults. Returns how many were read; 0 with a fault pending if the first page faults.</summary>
    public int Fetch(ulong linear, byte* destination, int size)
    {
        int done = 0;
        while (done < size)
        {
            ulong at = vcpu.WrapLinear(linear + (ulong)done);
            int part = Math.Min(size - done, 4096 - (int)(at & 0xfff));
            if (!Locate(at, AccessKind.Execute, vcpu.CodeMode, out ulong physical, out byte* host))
            {
                if (done != 0) vcpu.ClearFault();
                return done;
            }
            if (host != null) Unsafe.CopyBlockUnaligned(destination + done, host, (uint)part);
            else vcpu.ReadPhysical(physical, new Span<byte>(destination + done, part));
            done += part;
        }
        return done;
    }

    private bool ReadPart(ulong linear, byte* destination, int size, AccessMode mode)
    {
        if (!Locate(linear, AccessKind.Read, mode, out ulong physical, out byte* host)) return false;
        // SAFETY: the part lies in one page, and Locate's host address is good for the rest of that page.
        if (host != null) CopyAtomically(destination, host, size);
        else vcpu.ReadPhysical(physical, new Span<byte>(destination, size));
        return true;
    }

    private bool WritePart(ulong linear, byte* source, int size, AccessMode mode)
    {
        if (!Locate(linear, AccessKind.Write, mode, out ulong physical, out byte* host)) return false;
        if (host == null)
        {
            vcpu.WritePhysical(physical, new ReadOnlySpan<byte>(source, size));
            return true;
        }
        vcpu.NoteWrite(physical, host, size);
        CopyAtomically(host, source, size);
        return true;
    }

    // Naturally sized accesses must be single accesses: other vCPUs may look at the same word.
    private static void CopyAtomically(byte* to, byte* from, int size)
    {
        switch (size)
        {
            case 1: *to = *from; break;
            case 2: Unsafe.WriteUnaligned(to, Unsafe.ReadUnaligned<ushort>(from)); break;
            case 4: Unsafe.WriteUnaligned(to, Unsafe.ReadUnaligned<uint>(from)); break;
            case 8: Unsafe.WriteUnaligned(to, Unsafe.ReadUnaligned<ulong>(from)); break;
            default: Unsafe.CopyBlockUnaligned(to, from, (uint)size); break;
        }
    }

    private bool Locate(ulong linear, AccessKind kind, AccessMode mode, out ulong physical, out byte* host)
    {
        if (kind != AccessKind.Execute && InTlb(linear, kind, mode, out physical, out host)) return true;
        physical = 0;
        host = null;
        if (!vcpu.IsCanonical(linear)) return vcpu.RaiseNonCanonical();
        if (!vcpu.Walker.Walk(linear, kind, mode, out PageTranslation page)) return false;
        physical = page.PhysicalPage | (linear & 0xfff);
        host = kind == AccessKind.Write ? vcpu.Memory.WritableHostAddress(physical) : vcpu.Memory.HostAddress(physical);
        return true;
    }

    // What translated code may access by its TLB, so may the interpreter: a tag is there only if the access cannot fault.
    private bool InTlb(ulong linear, AccessKind kind, AccessMode mode, out ulong physical, out byte* host)
    {
        // SAFETY: mode is one of three, and the mask keeps the entry inside its table of the current area.
        var entry = (TlbEntry*)(vcpu.Contexts.Current + ContextLayout.Tlb + (int)mode * ContextLayout.TlbStride + ((linear >> 7) & ContextLayout.TlbIndexMask));
        ulong offset = linear & 0xfff;
        physical = (entry->Meta & ~0xfffUL) | offset;
        host = (byte*)entry->HostPage + offset;
        return (kind == AccessKind.Write ? entry->WriteTag : entry->ReadTag) == linear - offset;
    }
}
