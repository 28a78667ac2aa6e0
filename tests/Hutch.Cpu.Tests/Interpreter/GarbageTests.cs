using System;
using Hutch.Cpu.Interpreter;
using Xunit;

namespace Hutch.Cpu.Tests.Interpreter;

/// <summary>Whatever a guest executes, with whatever tables, a step returns.</summary>
public sealed unsafe class GarbageTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Random_bytes_in_random_modes_never_throw(int mode)
    {
        for (int seed = 0; seed < 40; seed++) Execute(mode, seed, 300);
    }

    private static void Execute(int mode, int seed, int steps)
    {
        var random = new Random(seed * 16 + mode);
        using TestCpu t = mode switch
        {
            1 => TestCpu.Real(), 2 => TestCpu.Protected(), 3 => TestCpu.Protected(cpl: 3), 4 => TestCpu.Long(), _ => TestCpu.Long(cpl: 3),
        };
        var code = new byte[4096];
        random.NextBytes(code);
        t.Bytes(code, TestCpu.CodeStart);
        random.NextBytes(code);
        // The handlers are garbage, too, and half of the time so are the descriptor tables.
        t.Bytes(code, TestCpu.Handlers);
        if (random.Next(2) == 0)
            for (int n = 0; n < 64; n++) t.Put(TestCpu.Gdt + (ulong)random.Next(0x80) * 8, (ulong)random.NextInt64());
        for (int n = 0; n < 16; n++) t.C->Gpr[n] = random.Next(3) == 0 ? (ulong)random.NextInt64() : (ulong)random.Next(0x40_0000);
        for (int n = 0; n < steps; n++)
        {
            StepResult result = t.Step();
            if (result == StepResult.TripleFault) return;
            Assert.NotEqual(StepResult.Failed, result);
            Assert.False(t.Cpu.Fault.Raised);
            if (random.Next(20) == 0) t.C->Rip = TestCpu.CodeStart + (ulong)random.Next(4096);
        }
    }
}
