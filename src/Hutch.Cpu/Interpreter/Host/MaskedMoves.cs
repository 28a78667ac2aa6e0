using System;
using Hutch.Cpu.State;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>
/// Moves whose memory accesses depend on a mask or on vector indexes: MASKMOVQ, MASKMOVDQU, VMASKMOV, VPMASKMOV, VGATHER, VPGATHER. Elements that the mask
/// leaves out cause no access and no fault. False: a fault is pending; only gathers have changed something, the elements below the faulting one.
/// </summary>
internal sealed unsafe class MaskedMoves(SoftVcpu vcpu, AddressComputer addresses)
{
    private readonly VcpuContext* _c = vcpu.Context;

    /// <summary>Executes any of them.</summary>
    public bool Execute(in Instruction i) => i.Mnemonic switch
    {
        Mnemonic.Maskmovq => MaskedBytes(i, Mmx(i.Op1Register), Mmx(i.Op2Register), 8),
        Mnemonic.Maskmovdqu or Mnemonic.Vmaskmovdqu => MaskedBytes(i, Xmm(i.Op1Register), Xmm(i.Op2Register), 16),
        Mnemonic.Vmaskmovps or Mnemonic.Vpmaskmovd => i.Op0Kind == OpKind.Memory ? MaskedStore(i, 4) : MaskedLoad(i, 4),
        Mnemonic.Vmaskmovpd or Mnemonic.Vpmaskmovq => i.Op0Kind == OpKind.Memory ? MaskedStore(i, 8) : MaskedLoad(i, 8),
        Mnemonic.Vgatherdps or Mnemonic.Vpgatherdd => Gather(i, 4, 4),
        Mnemonic.Vgatherdpd or Mnemonic.Vpgatherdq => Gather(i, 4, 8),
        Mnemonic.Vgatherqps or Mnemonic.Vpgatherqd => Gather(i, 8, 4),
        _ => Gather(i, 8, 8),
    };

    // The area holds the stack from its top; MMX registers are numbered from the bottom.
    private byte* Mmx(Register register) => _c->Xsave + FpuArea.Stack + ((register - Register.MM0 - FpuArea.Top(_c)) & 7) * 16;

    private byte* Xmm(Register register) => FpuArea.XmmRegister(_c, register - Register.XMM0);

    private bool MaskedBytes(in Instruction i, byte* data, byte* mask, int count)
    {
        ulong* at = stackalloc ulong[16];
        for (int n = 0; n < count; n++)
        {
            if ((mask[n] & 0x80) == 0) continue;
            if (!Element(i, 0, (ulong)n, 1, AccessKind.Write, out at[n]) || !vcpu.Linear.ProbeWrite(at[n], 1, vcpu.DataMode)) return false;
        }
        for (int n = 0; n < count; n++)
            if ((mask[n] & 0x80) != 0 && !vcpu.Linear.Write(at[n], data[n])) return false;
        if (i.Mnemonic == Mnemonic.Maskmovq) EnterMmx();
        return true;
    }

    // As any MMX instruction: TOP is 0 and every register is in use (Intel SDM 1 §9.5.1).
    private void EnterMmx()
    {
        int top = FpuArea.Top(_c);
        byte* registers = _c->Xsave + FpuArea.Stack, old = stackalloc byte[128];
        // SAFETY: eight slots of 16 bytes on both sides.
        Buffer.MemoryCopy(registers, old, 128, 128);
        for (int n = 0; n < 8; n++) Buffer.MemoryCopy(old + ((n - top) & 7) * 16, registers + n * 16, 16, 16);
        FpuArea.At<ushort>(_c, FpuArea.Fsw) &= 0xc7ff;
        FpuArea.At<byte>(_c, FpuArea.Ftw) = 0xff;
        FpuArea.At<ulong>(_c, FpuArea.Header) |= 1;
    }

    private bool MaskedLoad(in Instruction i, int size)
    {
        int bytes = i.Op0Register.GetSize();
        byte* result = stackalloc byte[32], mask = stackalloc byte[32];
        new Span<byte>(result, 32).Clear();
        ReadVector(i.Op1Register, mask);
        for (int n = 0; n < bytes; n += size)
        {
            if ((mask[n + size - 1] & 0x80) == 0) continue;
            if (!Element(i, -1, (ulong)n, size, AccessKind.Read, out ulong linear) || !vcpu.Linear.Read(linear, result + n, size, vcpu.DataMode)) return false;
        }
        WriteVector(i.Op0Register, result, completed: true);
        return true;
    }

    private bool MaskedStore(in Instruction i, int size)
    {
        int bytes = i.Op2Register.GetSize();
        ulong* at = stackalloc ulong[8];
        byte* data = stackalloc byte[32], mask = stackalloc byte[32];
        ReadVector(i.Op1Register, mask);
        ReadVector(i.Op2Register, data);
        for (int n = 0; n < bytes; n += size)
        {
            if ((mask[n + size - 1] & 0x80) == 0) continue;
            if (!Element(i, -1, (ulong)n, size, AccessKind.Write, out at[n / size]) || !vcpu.Linear.ProbeWrite(at[n / size], size, vcpu.DataMode)) return false;
        }
        for (int n = 0; n < bytes; n += size)
            if ((mask[n + size - 1] & 0x80) != 0 && !vcpu.Linear.Write(at[n / size], data + n, size, vcpu.DataMode)) return false;
        return true;
    }

    /// <summary>Operands: destination, memory with vector index, mask. A fault at an element leaves those before it done and their mask cleared.</summary>
    private bool Gather(in Instruction i, int indexSize, int size)
    {
        byte* result = stackalloc byte[32], mask = stackalloc byte[32], indexes = stackalloc byte[32];
        ReadVector(i.Op0Register, result);
        ReadVector(i.Op2Register, mask);
        ReadVector(i.MemoryIndex, indexes);
        int count = Math.Min(i.Op0Register.GetSize() / size, i.MemoryIndex.GetSize() / indexSize);
        ulong @base = i.MemoryBase == Register.None ? 0 : GuestRegisters.Read(_c, i.MemoryBase);
        @base += i.MemoryDisplacement64;
        bool wide = (_c->Mode & (uint)BlockMode.Long64) != 0 && !i.MemoryBase.IsGPR32();
        Seg segment = AddressComputer.DataSegment(i);
        for (int n = 0; n < count; n++)
        {
            if ((mask[n * size + size - 1] & 0x80) != 0)
            {
                long index = indexSize == 4 ? ((int*)indexes)[n] : ((long*)indexes)[n];
                ulong offset = @base + (ulong)(index * i.MemoryIndexScale);
                if (!wide) offset = (uint)offset;
                if (!addresses.Linear(segment, offset, size, AccessKind.Read, out ulong linear) || !vcpu.Linear.Read(linear, result + n * size, size, vcpu.DataMode))
                {
                    StoreGather(i, result, mask, completed: false);
                    return false;
                }
            }
            new Span<byte>(mask + n * size, size).Clear();
        }
        // Completed: the whole mask and what lies above the gathered elements become zero.
        new Span<byte>(mask, 32).Clear();
        new Span<byte>(result + count * size, 32 - count * size).Clear();
        StoreGather(i, result, mask, completed: true);
        return true;
    }

    private void StoreGather(in Instruction i, byte* result, byte* mask, bool completed)
    {
        WriteVector(i.Op0Register, result, completed);
        WriteVector(i.Op2Register, mask, completed);
    }

    private bool Element(in Instruction i, int operand, ulong at, int size, AccessKind kind, out ulong linear)
    {
        if (operand < 0)
        {
            ulong offset = (addresses.Offset(i) + at) & AddressComputer.AddressMask(i);
            return addresses.Linear(AddressComputer.DataSegment(i), offset, size, kind, out linear);
        }
        ulong rdi = _c->Gpr[GuestRegisters.Rdi] + at;
        if (i.Op0Kind == OpKind.MemorySegEDI) rdi = (uint)rdi;
        else if (i.Op0Kind == OpKind.MemorySegDI) rdi = (ushort)rdi;
        return addresses.Linear(AddressComputer.DataSegment(i), rdi, size, kind, out linear);
    }

    // All 32 bytes of the YMM register that an XMM or YMM register is part of.
    private void ReadVector(Register register, byte* to)
    {
        int number = Number(register);
        Buffer.MemoryCopy(FpuArea.XmmRegister(_c, number), to, 16, 16);
        Buffer.MemoryCopy(FpuArea.YmmUpper(_c, number), to + 16, 16, 16);
    }

    // VEX: what lies above an XMM destination becomes zero, once the instruction is complete.
    private void WriteVector(Register register, byte* from, bool completed)
    {
        int number = Number(register);
        Buffer.MemoryCopy(from, FpuArea.XmmRegister(_c, number), 16, 16);
        if (register.IsYMM()) Buffer.MemoryCopy(from + 16, FpuArea.YmmUpper(_c, number), 16, 16);
        else if (completed) new Span<byte>(FpuArea.YmmUpper(_c, number), 16).Clear();
        FpuArea.MarkUsed(_c);
    }

    private static int Number(Register register) => register.IsYMM() ? register - Register.YMM0 : register - Register.XMM0;
}
