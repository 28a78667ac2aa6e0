using Iced.Intel;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>
/// What the comparison leaves out. The interpreter runs arithmetic on the same host CPU as the oracle, so even most results that the manuals call
/// undefined agree; listed here is what depends on more than the operands.
/// </summary>
internal static class Undefined
{
    private const ulong Of = 0x800;

    /// <summary>
    /// Whether both outcomes are right. CALL with both a bad target and a bad stack may fault on either; AMD's misaligned-SSE bit of MXCSR, which the
    /// oracle has, is not offered to guests.
    /// </summary>
    public static bool Outcome(in Instruction i, TestOutcome host, TestOutcome guest)
    {
        if (i.Mnemonic == Mnemonic.Call) return host.Trap is 12 or 14 && guest.Trap == 13;
        return guest.Trap == 13 && host.Trap == TestOutcome.Completed && (host.Legacy[26] & 2) != 0;
    }

    /// <summary>Flags that may differ.</summary>
    public static ulong Flags(in Instruction i) => i.Mnemonic switch
    {
        // The interpreter computes these itself.
        Mnemonic.Daa or Mnemonic.Das or Mnemonic.Aaa or Mnemonic.Aas or Mnemonic.Aam or Mnemonic.Aad => ByManual(i),

        // Rotations through carry by more than one leave in OF what the microcode happened to compute.
        Mnemonic.Rcl or Mnemonic.Rcr when i.Op1Kind == OpKind.Register || i.Immediate8 != 1 => Of,
        _ => 0,
    };

    /// <summary>Flags that the manuals call undefined.</summary>
    public static ulong ByManual(in Instruction i) => Bits(i.RflagsUndefined);

    /// <summary>Iced's flag names as RFLAGS.</summary>
    public static ulong Bits(RflagsBits undefined)
    {
        return ((undefined & RflagsBits.CF) != 0 ? 1u : 0) | ((undefined & RflagsBits.PF) != 0 ? 4u : 0) | ((undefined & RflagsBits.AF) != 0 ? 0x10u : 0)
            | ((undefined & RflagsBits.ZF) != 0 ? 0x40u : 0) | ((undefined & RflagsBits.SF) != 0 ? 0x80u : 0) | ((undefined & RflagsBits.OF) != 0 ? 0x800u : 0);
    }

    /// <summary>The manuals do not say in which order a long operand, or both operands of CMPS, are accessed, so a fault's address and error code are not compared.</summary>
    public static bool FaultDetails(in Instruction i) =>
        i.MemorySize.GetSize() > 32 || i.Code is Code.Cmpsb_m8_m8 or Code.Cmpsw_m16_m16 or Code.Cmpsd_m32_m32 or Code.Cmpsq_m64_m64 || i.Mnemonic is Mnemonic.Maskmovq or Mnemonic.Maskmovdqu or Mnemonic.Vmaskmovdqu or Mnemonic.Fldenv or Mnemonic.Fnstenv;

    /// <summary>
    /// MXCSR flags that may differ after #XM. An unmasked overflow or underflow tells whether the result would be inexact with a wider exponent; the engine
    /// only knows about the masked result. Dot products raise in several steps.
    /// </summary>
    public static byte ExceptionFlags(in Instruction i) =>
        i.Mnemonic is Mnemonic.Dpps or Mnemonic.Dppd or Mnemonic.Vdpps or Mnemonic.Vdppd ? (byte)0x3f : (byte)0x20;

    /// <summary>Whether x87 state has changed to MMX state when an instruction that uses both kinds of registers faults.</summary>
    public static bool MmxTransition(in Instruction i, int trap) =>
        trap == 19 || (trap >= 0 && i.Mnemonic == Mnemonic.Maskmovq);
}
