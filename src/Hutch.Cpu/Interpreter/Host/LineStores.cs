using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>
/// Stores that the engine does on any host: CLZERO (AMD APM 3), MOVDIRI and MOVDIR64B (Intel SDM 2B). Here they are ordered as all stores. False: a fault is
/// pending and nothing changed.
/// </summary>
internal sealed unsafe class LineStores(SoftVcpu vcpu, AddressComputer addresses)
{
    private const int LineBytes = 64;

    private readonly VcpuContext* _c = vcpu.Context;

    /// <summary>Executes one of them.</summary>
    public bool Execute(in Instruction i) => i.Mnemonic switch
    {
        Mnemonic.Clzero => ClearLine(i),
        Mnemonic.Movdiri => Direct(i),
        _ => Direct64(i),
    };

    private bool ClearLine(in Instruction i)
    {
        ulong mask = i.Code switch { Code.Clzerow => 0xffff, Code.Clzerod => 0xffff_ffff, _ => ulong.MaxValue };
        ulong offset = _c->Gpr[GuestRegisters.Rax] & mask & ~(ulong)(LineBytes - 1);
        byte* zeros = stackalloc byte[LineBytes];
        new System.Span<byte>(zeros, LineBytes).Clear();
        Register segment = i.SegmentPrefix;
        Seg seg = segment == Register.None ? Seg.Ds : GuestRegisters.Segment(segment);
        // SAFETY: LineBytes of the buffer are read.
        return addresses.Linear(seg, offset, LineBytes, AccessKind.Write, out ulong linear) && vcpu.Linear.Write(linear, zeros, LineBytes, vcpu.DataMode);
    }

    private bool Direct(in Instruction i)
    {
        ulong value = GuestRegisters.Read(_c, i.Op1Register);
        int size = i.Op1Register.GetSize();
        // SAFETY: at most the eight bytes of the value are read.
        return addresses.Effective(i, 0, size, AccessKind.Write, out ulong linear) && vcpu.Linear.Write(linear, (byte*)&value, size, vcpu.DataMode);
    }

    private bool Direct64(in Instruction i)
    {
        byte* line = stackalloc byte[LineBytes];
        ulong target = GuestRegisters.Read(_c, i.Op0Register);
        if (!addresses.Linear(Seg.Es, target, LineBytes, AccessKind.Write, out ulong linear)) return false;
        if ((linear & (LineBytes - 1)) != 0) return vcpu.Raise(Vector.GeneralProtection, 0);
        // SAFETY: both use the LineBytes of the buffer.
        return addresses.Effective(i, 1, LineBytes, AccessKind.Read, out ulong source) && vcpu.Linear.Read(source, line, LineBytes, vcpu.DataMode)
            && vcpu.Linear.Write(linear, line, LineBytes, vcpu.DataMode);
    }
}
