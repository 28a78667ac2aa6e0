using Hutch.Cpu.Tables;

namespace Hutch.Cpu.Translate;

/// <summary>BT, BTS, BTR, BTC with a register as offset into a bit string in memory (Intel SDM 2A "BT"): the offset's upper part moves the address.</summary>
internal sealed unsafe class BitStringEmitter(Emission emission, MemoryEmitter memory)
{
    private readonly CodeWriter _code = emission.Code;

    public void Emit(in GuestInstruction g)
    {
        ref readonly InstructionEncoding e = ref g.Encoding;
        int size = g.Form.MemorySize, scale = size == 8 ? 3 : size == 4 ? 2 : 1;
        HostOperand operand = memory.AccessBitString(g, size, scale, (g.Form.Traits & FormTraits.Writes) != 0);
        _code.Lea(HostState.R11, operand);
        memory.Fetch(e.Reg, HostState.R10, size);
        _code.Bytes(0xe28341, 3);                    // and r10d, bits - 1
        _code.Byte(size * 8 - 1);
        HostOperand target = new(HostState.R11);
        if (emission.Flags.Parked)
        {
            _code.StoreGs(HostState.Spill, HostState.R10);
            emission.Flags.BeforeOperation(g, ref target);
            _code.LoadGs(HostState.R10, HostState.Spill);
        }
        if (e.Lock) _code.Byte(0xf0);
        if (size == 2) _code.Byte(0x66);
        _code.Byte(size == 8 ? 0x4d : 0x45);         // REX.R for R10, REX.B for R11
        _code.Byte(0x0f);
        _code.Byte(e.Opcode);
        _code.Byte((HostState.R10 & 7) << 3 | (HostState.R11 & 7));
    }
}
