using System.IO;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>
/// Builds the oracle: a static ELF program that runs one instruction after the other on the host CPU. State is loaded by returning from a signal handler
/// with the registers of the next vector in the frame, and read back from the frame of the signal that ends it: SIGTRAP of the INT3 behind the
/// instruction, or the signal of its fault. It shares no code and no encoding with the engine under test.
/// </summary>
internal static class OracleProgram
{
    private const ulong Origin = 0x2345_6780_0000, StackTop = 0x2345_9000_0000, StackBytes = 0x20000;
    private const int Read = 0, Write = 1, Open = 2, Mmap = 9, Mprotect = 10, SigAction = 13, SigAltStack = 131, Exit = 60, SigReturn = 15;

    // Offsets in struct ucontext (asm/ucontext.h, asm/sigcontext.h).
    private const int UcRegisters = 40, UcCodeSelector = 184, UcFpState = 224;

    /// <summary>The bytes of the executable file.</summary>
    public static byte[] Build()
    {
        const int HeaderBytes = 64 + 56;
        var code = new MemoryStream();
        Assembler assembler = Emit();
        assembler.Assemble(new StreamCodeWriter(code), Origin + HeaderBytes);
        var file = new MemoryStream();
        var writer = new BinaryWriter(file);
        ulong length = (ulong)(HeaderBytes + code.Length);
        writer.Write([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        writer.Write((ushort)2); writer.Write((ushort)62); writer.Write(1);
        writer.Write(Origin + HeaderBytes); writer.Write(64UL); writer.Write(0UL);
        writer.Write(0); writer.Write((ushort)64); writer.Write((ushort)56); writer.Write((ushort)1);
        writer.Write((ushort)64); writer.Write((ushort)0); writer.Write((ushort)0);
        writer.Write(1); writer.Write(5);
        writer.Write(0UL); writer.Write(Origin); writer.Write(Origin); writer.Write(length); writer.Write(length); writer.Write(0x1000UL);
        writer.Write(code.ToArray());
        return file.ToArray();
    }

    private static Assembler Emit()
    {
        var c = new Assembler(64);
        Label handler = c.CreateLabel(), restorer = c.CreateLabel();
        MapEverything(c);
        InstallHandlers(c, handler, restorer);
        // 64-bit programs start with null selectors, which compatibility mode could not use.
        c.mov(eax, (int)OracleLayout.DataSelector); c.mov(ds, eax); c.mov(es, eax);
        c.int3();
        c.ud2();
        EmitHandler(c, handler);
        c.Label(ref restorer);
        c.mov(eax, SigReturn); c.syscall();
        return c;
    }

    private static void Call(Assembler c, int number)
    {
        c.mov(eax, number);
        c.syscall();
    }

    private static void Map(Assembler c, ulong address, ulong length, int protection)
    {
        c.mov(rdi, address); c.mov(rsi, length); c.mov(edx, protection); c.mov(r10d, 0x32); c.mov(r8d, -1); c.xor(r9d, r9d);
        Call(c, Mmap);
    }

    private static void MapEverything(Assembler c)
    {
        c.mov(rdi, __[rsp + 16]); c.mov(esi, 2); c.xor(edx, edx);
        Call(c, Open);
        c.mov(r8d, eax); c.mov(rdi, OracleLayout.Shared); c.mov(esi, OracleLayout.SharedBytes); c.mov(edx, 3); c.mov(r10d, 0x11); c.xor(r9d, r9d);
        Call(c, Mmap);
        // The code page is part of the file: written there, and only read and executed where instructions run. R8 still holds the file.
        c.mov(rdi, OracleLayout.Code); c.mov(esi, 0x1000); c.mov(edx, 5); c.mov(r10d, 0x11); c.mov(r9d, OracleLayout.CodePage);
        Call(c, Mmap);
        Map(c, OracleLayout.Data, OracleLayout.DataBytes + 0x1000, 3);
        Map(c, StackTop - StackBytes, StackBytes, 3);
        Copy(c, OracleLayout.Shared + OracleLayout.Template, OracleLayout.ReadOnly, 0x1000);
        c.mov(rdi, OracleLayout.ReadOnly); c.mov(esi, 0x1000); c.mov(edx, 1);
        Call(c, Mprotect);
        c.mov(rdi, OracleLayout.Shared + OracleLayout.CodePage); c.mov(ecx, 0x1000); c.mov(al, 0xcc); c.rep.stosb();
    }

    private static void InstallHandlers(Assembler c, Label handler, Label restorer)
    {
        // Both structures are built on the alternate stack's far end, which is not used yet.
        const ulong Scratch = StackTop - StackBytes;
        const int SaSiginfo = 4, SaRestorer = 0x0400_0000, SaOnStack = 0x0800_0000;
        c.mov(rdi, Scratch);
        c.mov(rax, Scratch); c.mov(__[rdi], rax); c.mov(__qword_ptr[rdi + 8], 0); c.mov(__qword_ptr[rdi + 16], (int)StackBytes);
        c.xor(esi, esi);
        Call(c, SigAltStack);
        c.mov(rbx, Scratch);
        c.lea(rax, __[handler]); c.mov(__[rbx], rax);
        c.mov(eax, SaSiginfo | SaRestorer | SaOnStack); c.mov(__[rbx + 8], rax);
        c.lea(rax, __[restorer]); c.mov(__[rbx + 16], rax);
        c.mov(__qword_ptr[rbx + 24], 0);
        foreach (int signal in (int[])[4, 5, 7, 8, 11])
        {
            c.mov(edi, signal); c.mov(rsi, rbx); c.xor(edx, edx); c.mov(r10d, 8);
            Call(c, SigAction);
        }
    }

    private static void Copy(Assembler c, ulong from, ulong to, int length)
    {
        c.mov(rsi, from); c.mov(rdi, to); c.mov(ecx, length); c.rep.movsb();
    }

    // RDX: ucontext. R15: shared file. R14: index. R13: ucontext.
    private static void EmitHandler(Assembler c, Label handler)
    {
        Label next = c.CreateLabel(), load = c.CreateLabel(), quit = c.CreateLabel();
        c.Label(ref handler);
        c.mov(r13, rdx);
        c.mov(r15, OracleLayout.Shared);
        c.mov(r14, __[r15 + OracleLayout.Index]);
        c.test(r14, r14);
        c.js(next);
        EmitStore(c);
        c.Label(ref next);
        c.inc(r14);
        c.cmp(r14, __[r15 + OracleLayout.Count]);
        c.jl(load);
        c.mov(edi, 1); c.mov(rsi, r15); c.mov(edx, 1);
        Call(c, Write);
        c.xor(edi, edi); c.lea(rsi, __[r15 + 64]); c.mov(edx, 1);
        Call(c, Read);
        c.cmp(rax, 1);
        c.jne(quit);
        c.xor(r14d, r14d);
        c.Label(ref load);
        c.mov(__[r15 + OracleLayout.Index], r14);
        EmitLoad(c);
        c.ret();
        c.Label(ref quit);
        c.xor(edi, edi);
        Call(c, Exit);
    }

    private static void EmitStore(Assembler c)
    {
        c.imul(rbx, r14, OracleLayout.ResultBytes);
        c.add(rbx, OracleLayout.Results); c.add(rbx, r15);
        c.lea(rsi, __[r13 + UcRegisters]); c.mov(rdi, rbx); c.mov(ecx, OracleLayout.ResultRegisterBytes); c.rep.movsb();
        c.mov(rsi, __[r13 + UcFpState]); c.lea(rdi, __[rbx + OracleLayout.ResultXsave]); c.mov(ecx, OracleLayout.ResultXsaveBytes); c.rep.movsb();
        c.mov(rsi, OracleLayout.Data); c.lea(rdi, __[rbx + OracleLayout.ResultData]); c.mov(ecx, OracleLayout.DataBytes); c.rep.movsb();
        // The instruction's place becomes INT3s again.
        c.imul(rbx, r14, OracleLayout.VectorBytes);
        c.mov(rdi, __[r15 + rbx + (OracleLayout.Vectors + OracleLayout.RipRegister * 8)]); ToAlias(c); c.mov(ecx, OracleLayout.CodeBytes); c.mov(al, 0xcc); c.rep.stosb();
    }

    // RDI: from where an instruction runs to where its bytes are written.
    private static void ToAlias(Assembler c)
    {
        c.and(edi, 0xfff);
        c.lea(rdi, __[r15 + rdi + OracleLayout.CodePage]);
    }

    private static void EmitLoad(Assembler c)
    {
        c.mov(rax, OracleLayout.FsBase); c.wrfsbase(rax);
        c.mov(rax, OracleLayout.GsBase); c.wrgsbase(rax);
        c.imul(rbx, r14, OracleLayout.VectorBytes);
        c.add(rbx, OracleLayout.Vectors); c.add(rbx, r15);
        Copy(c, OracleLayout.Shared + OracleLayout.Template, OracleLayout.Data, OracleLayout.DataBytes);
        c.lea(rsi, __[rbx + OracleLayout.Patch]); c.mov(rdi, __[rbx + OracleLayout.PatchAddress]); c.mov(rcx, __[rbx + OracleLayout.PatchLength]); c.rep.movsb();
        c.lea(rsi, __[rbx + OracleLayout.Bytes]); c.mov(rdi, __[rbx + OracleLayout.RipRegister * 8]); ToAlias(c); c.mov(ecx, OracleLayout.CodeBytes); c.rep.movsb();
        c.mov(rsi, rbx); c.lea(rdi, __[r13 + UcRegisters]); c.mov(ecx, OracleLayout.RegisterBytes); c.rep.movsb();
        c.mov(ax, __[rbx + OracleLayout.CodeSelector]); c.mov(__[r13 + UcCodeSelector], ax);
        c.mov(r12, __[r13 + UcFpState]);
        c.lea(rsi, __[rbx + OracleLayout.Legacy]); c.mov(rdi, r12); c.mov(ecx, OracleLayout.LegacyBytes); c.rep.movsb();
        c.or(__qword_ptr[r12 + 512], 7);
        c.lea(rsi, __[rbx + OracleLayout.YmmHigh]); c.lea(rdi, __[r12 + 576]); c.mov(ecx, OracleLayout.YmmHighBytes); c.rep.movsb();
    }
}
