using System;
using System.Collections.Generic;
using System.Globalization;
using Hutch.Cpu.Translate;
using Iced.Intel;

namespace Hutch.Cpu.Tests.Translate;

/// <summary>Stub addresses that never run, and a disassembler that names them.</summary>
internal static class TestStubs
{
    public const ulong CodeAddress = 0x10_0000;

    public static readonly StubAddresses Named = new()
    {
        Dispatch = 0x1000, Link = 0x2000, IndirectMiss = 0x3000, Interpret = 0x4000, SlowAccess = 0x5000, SlowAccessVector = 0x6000, LoadVector = 0x7000,
    };

    private static readonly Dictionary<ulong, string> Names = new()
    {
        [0x1000] = "Dispatch", [0x2000] = "Link", [0x3000] = "IndirectMiss", [0x4000] = "Interpret",
        [0x5000] = "SlowAccess", [0x6000] = "SlowAccessVector", [0x7000] = "LoadVector",
    };

    /// <summary>One line for each instruction, with labels for entries and inline data behind stub calls shown as such. Branches are relative to the block.</summary>
    public static List<string> Disassemble(Span<byte> host, in TranslatedBlock block, StubAddresses stubs)
    {
        List<string> lines = [];
        Decoder decoder = Decoder.Create(64, host.ToArray(), CodeAddress);
        IntelFormatter formatter = new(new Resolver());
        StringOutput output = new();
        while (decoder.IP < CodeAddress + (ulong)host.Length)
        {
            int offset = (int)(decoder.IP - CodeAddress);
            if (offset == block.DirectEntry) lines.Add("direct:");
            if (offset == block.DeadExit) lines.Add("dead:");
            decoder.Decode(out Instruction instruction);
            formatter.Format(instruction, output);
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"{offset:x3} {output.ToStringAndReset()}"));
            if (instruction.Code != Code.Call_rel32_64 || instruction.NearBranch64 == stubs.LoadVector) continue;
            int data = (int)(decoder.IP - CodeAddress);
            if (data + 12 > host.Length) break;
            lines.Add(instruction.NearBranch64 == stubs.Link
                ? $".quad {BitConverter.ToUInt64(host[data..]):x}; .long {BitConverter.ToInt32(host[(data + 8)..]):x}"
                : $".long {BitConverter.ToInt32(host[data..]):x}; .quad {BitConverter.ToUInt64(host[(data + 4)..]):x}");
            decoder = Decoder.Create(64, host[(data + 12)..].ToArray(), CodeAddress + (ulong)data + 12);
        }
        return lines;
    }

    private sealed class Resolver : ISymbolResolver
    {
        public bool TryGetSymbol(in Instruction instruction, int operand, int instructionOperand, ulong address, int addressSize, out SymbolResult symbol)
        {
            symbol = default;
            if (instruction.Op0Kind != OpKind.NearBranch64) return false;
            string name = Names.TryGetValue(address, out string? stub) ? stub : (address - CodeAddress).ToString("x3", CultureInfo.InvariantCulture);
            symbol = new SymbolResult(address, name);
            return true;
        }
    }
}
