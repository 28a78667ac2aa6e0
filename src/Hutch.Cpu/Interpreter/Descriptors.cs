using Hutch.Core.Engine;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Interpreter;

/// <summary>Reads and marks descriptors in the GDT, the LDT and the IDT.</summary>
internal sealed unsafe class Descriptors(SoftVcpu vcpu)
{
    private readonly VcpuContext* _c = vcpu.Context;

    /// <summary>Reads the descriptor of a selector. False: <paramref name="vector"/> with the selector as error code, or a page fault, is pending.</summary>
    public bool Read(int selector, Vector vector, uint ext, out Descriptor descriptor)
    {
        if (TryRead(selector, 8, out bool outside, out descriptor)) return true;
        if (outside) vcpu.Raise(vector, Error(selector, ext));
        return false;
    }

    /// <summary>
    /// Reads a descriptor whose table must hold <paramref name="bytes"/> from its start. False with <paramref name="outside"/>: beyond the table's limit, nothing is
    /// pending; false without: a page fault is pending.
    /// </summary>
    public bool TryRead(int selector, int bytes, out bool outside, out Descriptor descriptor)
    {
        descriptor = default;
        outside = true;
        ulong table;
        uint offset = (uint)selector & 0xfff8;
        if ((selector & 4) != 0)
        {
            ref SegmentState ldt = ref _c->Segments[(int)Seg.Ldtr];
            if ((ldt.Attributes & (AddressComputer.NullBit | 0x80)) != 0x80 || offset + (uint)bytes - 1 > ldt.Limit) return false;
            table = ldt.Base;
        }
        else
        {
            if (offset + (uint)bytes - 1 > _c->Gdtr.Limit) return false;
            table = _c->Gdtr.Base;
        }
        outside = false;
        ulong address = vcpu.WrapLinear(table + offset);
        if (!vcpu.Linear.ReadSystem(address, out ulong raw)) return false;
        descriptor = new Descriptor(raw, address);
        return true;
    }

    /// <summary>Reads the upper half of a 16-byte descriptor.</summary>
    public bool ReadUpper(in Descriptor descriptor, out ulong upper) => vcpu.Linear.ReadSystem(descriptor.Address + 8, out upper);

    /// <summary>Sets the accessed bit of a code or data segment's descriptor.</summary>
    public bool MarkAccessed(in Descriptor d) =>
        (d.Raw >> 40 & 1) != 0 || vcpu.Linear.WriteSystem(d.Address + 5, (byte)(d.Raw >> 40 | 1));

    /// <summary>Sets or clears the busy bit of a TSS descriptor.</summary>
    public bool SetBusy(in Descriptor d, bool busy)
    {
        byte type = (byte)(d.Raw >> 40);
        return vcpu.Linear.WriteSystem(d.Address + 5, (byte)(busy ? type | 2 : type & ~2));
    }

    /// <summary>Error code of a selector: its index and table bits, with EXT.</summary>
    public static uint Error(int selector, uint ext) => ((uint)selector & 0xfffc) | ext;
}
