using System;
using System.Buffers.Binary;

namespace Hutch.Kvm.Probe;

/// <summary>
/// The memory of the proof's machine: page tables for its first 2 MiB, descriptor tables, exception handlers, a stack, data, and room for the code.
/// A handler leaves its finding in RAX; every path ends in HLT.
/// </summary>
internal static class ProofProgram
{
    internal const int LengthBytes = 0xd000;
    internal const ulong Pml4 = 0x1000, Gdt = 0x4000, Idt = 0x5000, Code = 0x7000, StackTop = 0xa000, Data = 0xa000;
    internal const ushort GdtLimit = 0x2f, IdtLimit = 0x1ff, CodeSelector = 8, DataSelector = 0x10, TaskSelector = 0x18;

    /// <summary>RAX when the guest took an exception other than a breakpoint: the CPU did not execute the instruction but said so as the manual tells.</summary>
    internal const ulong Faulted = 0xfa17;

    private const int PageDirectory = 0x3000, Directories = 0x2000, Breakpoint = 0x6000, Fault = 0x6100, DataBytes = 0x1000;

    /// <summary>Writes everything but the code.</summary>
    internal static void Write(Span<byte> memory)
    {
        Put(memory, (int)Pml4, Directories | 3);
        Put(memory, Directories, PageDirectory | 3);
        Put(memory, PageDirectory, 0x83);                                   // one page of 2 MiB, present, writable
        Put(memory, (int)Gdt + CodeSelector, 0x00af_9b00_0000_ffff);
        Put(memory, (int)Gdt + DataSelector, 0x00cf_9300_0000_ffff);
        Put(memory, (int)Gdt + TaskSelector, 0x0000_8b00_0000_0067);
        ReadOnlySpan<byte> breakpoint = [0xb8, 3, 0, 0, 0, 0x48, 0xcf];      // mov eax, 3; iretq
        breakpoint.CopyTo(memory[Breakpoint..]);
        ReadOnlySpan<byte> fault = [0xb8, 0x17, 0xfa, 0, 0, 0xf4];           // mov eax, Faulted; hlt
        fault.CopyTo(memory[Fault..]);
        for (int vector = 0; vector < 32; vector++) PutGate(memory, vector, vector == 3 ? Breakpoint : Fault);
    }

    /// <summary>Puts one instruction and its HLT in the place of the code, and clears the data.</summary>
    internal static void WriteCode(Span<byte> memory, ReadOnlySpan<byte> code)
    {
        code.CopyTo(memory[(int)Code..]);
        memory[(int)Code + code.Length] = 0xf4;
        memory.Slice((int)Data, DataBytes).Clear();
    }

    // An interrupt gate of ring 0 (Intel SDM 3A §6.14.1).
    private static void PutGate(Span<byte> memory, int vector, int handler)
    {
        int at = (int)Idt + 16 * vector;
        Put(memory, at, (ulong)(handler & 0xffff) | (ulong)CodeSelector << 16 | 0x8e00UL << 32 | (ulong)(handler >> 16) << 48);
        Put(memory, at + 8, 0);
    }

    private static void Put(Span<byte> memory, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(memory[offset..], value);
}
