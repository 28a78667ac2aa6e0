using System;
using System.Text;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>Whether two outcomes of a vector are the same, and a description of the differences.</summary>
internal static class Comparison
{
    // CF PF AF ZF SF OF, DF and AC.
    private const ulong ComparedFlags = 0x8d5 | 0x400 | 0x4_0000;

    private static readonly string[] Names = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"];

    /// <summary>
    /// Null when equal, else what differs. <paramref name="translated"/>: translated code may leave flags that are dead or undefined as they are, and takes
    /// an indirect branch before it looks whether the target is canonical.
    /// </summary>
    public static string? Describe(TestVector vector, TestOutcome host, TestOutcome guest, bool translated)
    {
        Normalise(vector, host, guest);
        Iced.Intel.Decoder decoder = Iced.Intel.Decoder.Create(vector.Bitness, new Iced.Intel.ByteArrayCodeReader(vector.Code, 0, vector.Length));
        Iced.Intel.Instruction first = decoder.Decode();
        ulong flags = ComparedFlags & ~Undefined.Flags(first) & ~vector.UndefinedFlags;
        translated |= vector.Instructions > 1 && host.Trap >= 0;
        if (Undefined.Outcome(first, host, guest)) return null;
        if (translated)
        {
            if (host.Trap >= 0) flags &= ~0x8d5UL;
            flags &= ~Undefined.ByManual(first);
            if (host.Trap == 13 && guest.Trap == 13 && first.FlowControl is Iced.Intel.FlowControl.IndirectBranch or Iced.Intel.FlowControl.IndirectCall or Iced.Intel.FlowControl.Return) return null;
        }
        // Linux hides from user programs whether a kernel address is mapped.
        if (host.Trap == 14 && host.Cr2 >= 0x0000_7fff_ffff_f000) guest.Error = (guest.Error & ~1UL) | (host.Error & 1);
        if (host.Trap == 19) guest.Legacy[24] = (byte)((guest.Legacy[24] & ~Undefined.ExceptionFlags(first)) | (host.Legacy[24] & Undefined.ExceptionFlags(first)));
        if (Undefined.MmxTransition(first, host.Trap))
        {
            host.Legacy.AsSpan(2, 3).CopyTo(guest.Legacy.AsSpan(2));
            host.Legacy.AsSpan(32, 128).CopyTo(guest.Legacy.AsSpan(32));
        }
        if (host.Trap == 14 && Undefined.FaultDetails(first)) (guest.Cr2, guest.Error) = (host.Cr2, host.Error);
        bool same = host.Trap == guest.Trap && host.Rip == guest.Rip && host.Gpr.AsSpan().SequenceEqual(guest.Gpr) && ((host.Flags ^ guest.Flags) & flags) == 0
            && host.Legacy.AsSpan().SequenceEqual(guest.Legacy) && host.YmmHigh.AsSpan().SequenceEqual(guest.YmmHigh) && host.Data.AsSpan().SequenceEqual(guest.Data)
            && (host.Trap < 0 || host.Error == guest.Error) && (host.Trap != 14 || host.Cr2 == guest.Cr2);
        return same ? null : Explain(vector, host, guest, flags);
    }

    // What is allowed to differ: fields of the FXSAVE image that are not registers, and pointers of the last x87 instruction.
    private static void Normalise(TestVector vector, TestOutcome host, TestOutcome guest)
    {
        foreach (TestOutcome outcome in (ReadOnlySpan<TestOutcome>)[host, guest])
        {
            outcome.Legacy.AsSpan(5, 19).Clear();
            outcome.Legacy.AsSpan(28, 4).Clear();
            for (int n = 0; n < 8; n++) outcome.Legacy.AsSpan(32 + n * 16 + 10, 6).Clear();
        }
        if (host.Trap == TestOutcome.Completed && guest.Trap == TestOutcome.Completed) IgnorePointers(vector, host, guest);
    }

    private static void IgnorePointers(TestVector vector, TestOutcome host, TestOutcome guest)
    {
        if (vector.ImageAddress == 0) return;
        (int From, int To)[] ranges = vector.ImageKind switch
        {
            ImageKind.Fxsave => [(5, 24), (28, 32), (32 + 10, 48), (48 + 10, 64), (64 + 10, 80), (80 + 10, 96), (96 + 10, 112), (112 + 10, 128), (128 + 10, 144), (144 + 10, 160)],
            ImageKind.Environment16 => [(6, 14)],
            _ => [(12, 28)],
        };
        foreach ((int from, int to) in ranges)
            for (int n = from; n < to; n++)
            {
                ulong at = vector.ImageAddress + (ulong)n - OracleLayout.Data;
                if (at < OracleLayout.DataBytes) host.Data[at] = guest.Data[at] = 0;
            }
    }

    private static string Explain(TestVector vector, TestOutcome host, TestOutcome guest, ulong flags)
    {
        var text = new StringBuilder();
        Iced.Intel.Decoder decoder = Iced.Intel.Decoder.Create(vector.Bitness, new Iced.Intel.ByteArrayCodeReader(vector.Code, 0, vector.Length));
        decoder.IP = vector.Rip;
        text.Append(vector.Name).Append(": ").Append(Convert.ToHexString(vector.Code, 0, vector.Length));
        for (int n = 0; n < vector.Instructions; n++) text.Append(" | ").Append(decoder.Decode());
        text.Append("  host/guest:");
        void Note(string what, ulong a, ulong b)
        {
            if (a != b) text.Append(System.Globalization.CultureInfo.InvariantCulture, $" {what} {a:x}/{b:x}");
        }
        Note("trap", (ulong)(uint)host.Trap, (ulong)(uint)guest.Trap);
        if (host.Trap >= 0) Note("error", host.Error, guest.Error);
        if (host.Trap == 14) Note("cr2", host.Cr2, guest.Cr2);
        Note("rip", host.Rip, guest.Rip);
        Note("flags", host.Flags & flags, guest.Flags & flags);
        for (int n = 0; n < 16; n++) Note(Names[n], host.Gpr[n], guest.Gpr[n]);
        NoteBytes(text, "fx", host.Legacy, guest.Legacy);
        NoteBytes(text, "ymm", host.YmmHigh, guest.YmmHigh);
        NoteBytes(text, "mem", host.Data, guest.Data);
        text.Append(System.Globalization.CultureInfo.InvariantCulture, $"  was: flags {vector.Flags:x} mxcsr {BitConverter.ToUInt32(vector.Legacy, 24):x} fcw {BitConverter.ToUInt16(vector.Legacy, 0):x} fsw {BitConverter.ToUInt16(vector.Legacy, 2):x} patch {vector.PatchAddress:x}");
        for (int n = 0; n < 16; n++) text.Append(System.Globalization.CultureInfo.InvariantCulture, $" {Names[n]} {vector.Gpr[n]:x}");
        return text.ToString();
    }

    private static void NoteBytes(StringBuilder text, string what, byte[] host, byte[] guest)
    {
        int first = host.AsSpan().CommonPrefixLength(guest);
        if (first == host.Length) return;
        int count = Math.Min(16, host.Length - first);
        text.Append(System.Globalization.CultureInfo.InvariantCulture, $" {what}+{first:x} {Convert.ToHexString(host, first, count)}/{Convert.ToHexString(guest, first, count)}");
    }
}
