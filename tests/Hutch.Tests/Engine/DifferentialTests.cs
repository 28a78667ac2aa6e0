using System;
using System.Collections.Generic;
using Hutch.Core.Engine;
using Iced.Intel;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Tests.Engine;

/// <summary>The same program in ring 0 and ring 3 of KVM and on the software engine ends with the same registers, flags and memory.</summary>
public sealed class DifferentialTests
{
    private const ulong Data = 0x2_0000;
    private const int DataBytes = 4096, Programs = 12, Instructions = 150, Rounds = 40;
    private const ulong Arithmetic = 0x8d5;

    // R12: the data, R13: rounds left; RSP: the stack.
    private static readonly AssemblerRegister64[] Registers = [rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r14, r15];
    private static readonly AssemblerRegister32[] Halves = [eax, ecx, edx, ebx, ebp, esi, edi, r8d, r9d, r10d, r11d, r14d, r15d];

    [Theory, Kvm]
    public void KVM_in_ring_0_and_ring_3_does_what_the_software_engine_does(string engine)
    {
        for (int seed = 0; seed < Programs; seed++)
        {
            (ulong[] Registers, byte[] Memory) expected = Execute(Engines.Software, seed, ring: 0);
            foreach ((string name, int ring) in (List<(string, int)>)[(Engines.Software, 3), (engine, 0), (engine, 3)])
            {
                (ulong[] Registers, byte[] Memory) found = Execute(name, seed, ring);
                Assert.True(expected.Registers.AsSpan().SequenceEqual(found.Registers),
                    $"Program {seed} on {name} in ring {ring}: {string.Join(' ', Array.ConvertAll(found.Registers, value => $"{value:x}"))}, not {string.Join(' ', Array.ConvertAll(expected.Registers, value => $"{value:x}"))}");
                Assert.True(expected.Memory.AsSpan().SequenceEqual(found.Memory), $"Program {seed} on {name} in ring {ring} leaves other memory.");
            }
        }
    }

    private static (ulong[] Registers, byte[] Memory) Execute(string engine, int seed, int ring)
    {
        using EngineMachine machine = new(engine);
        Random random = new(seed);
        byte[] data = new byte[DataBytes];
        random.NextBytes(data);
        machine.Memory.TryCopyIn(Data, data);
        machine.Place(EngineMachine.Code, 64, a => Write(a, random));
        machine.EnterLong(EngineMachine.Code, ring);
        X86VcpuState state = machine.Saved();
        for (int i = 0; i < 16; i++)
            if (i != 4) state.Gpr[i] = (ulong)random.NextInt64(long.MinValue, long.MaxValue);
        machine.Boot.RestoreRegisters(state);
        machine.RunToEnd();
        state = machine.Saved();
        machine.Memory.TryCopyOut(Data, data);
        ulong[] registers = [.. state.Gpr, state.Rip, state.Rflags & Arithmetic];
        registers[4] -= ring == 0 ? EngineMachine.Stack : EngineMachine.UserStack;
        return (registers, data);
    }

    private static void Write(Assembler a, Random random)
    {
        Label round = a.CreateLabel();
        a.mov(r12d, (uint)Data);
        a.mov(r13d, Rounds);
        a.Label(ref round);
        for (int i = 0; i < Instructions; i++) WriteOne(a, random);
        a.dec(r13d);
        a.jnz(round);
        // Undefined flags of the last instructions end here.
        a.add(rax, rcx);
        a.@out(EngineMachine.EndPort, al);
    }

    private static void WriteOne(Assembler a, Random random)
    {
        int x = random.Next(Registers.Length), y = random.Next(Registers.Length);
        AssemblerRegister64 left = Registers[x], right = Registers[y];
        AssemblerMemoryOperand memory = __qword_ptr[r12 + random.Next(DataBytes / 8) * 8];
        switch (random.Next(22))
        {
            case 0: a.add(left, right); break;
            case 1: a.sub(left, memory); break;
            case 2: a.xor(memory, right); break;
            case 3: a.and(left, random.Next()); break;
            case 4: a.or(left, right); break;
            case 5: a.add(left, right); a.adc(left, right); break;
            case 6: a.imul(left, right); break;
            case 7: a.rol(left, (byte)random.Next(1, 64)); break;
            case 8: a.shl(Halves[x], (byte)random.Next(1, 32)); break;
            case 9: a.sar(left, (byte)random.Next(1, 64)); break;
            case 10: a.mov(left, memory); break;
            case 11: a.mov(memory, right); break;
            case 12: a.lea(left, right + (left * 4) + random.Next(1000)); break;
            case 13: a.push(left); a.pop(right); break;
            case 14: a.cmp(left, right); a.setb(__byte_ptr[r12 + random.Next(DataBytes)]); break;
            case 15: a.test(left, right); a.cmovs(left, right); break;
            case 16: a.bswap(left); break;
            case 17: a.movzx(Halves[x], __word_ptr[r12 + random.Next(DataBytes - 2)]); break;
            case 18: a.movsx(left, __byte_ptr[r12 + random.Next(DataBytes)]); break;
            case 19: a.xchg(left, right); break;
            case 20: a.not(left); a.neg(right); break;
            default: a.bt(left, (byte)random.Next(64)); a.sbb(Halves[x], Halves[y]); break;
        }
    }
}
