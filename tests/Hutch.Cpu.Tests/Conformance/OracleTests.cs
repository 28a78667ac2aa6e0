using Xunit;

namespace Hutch.Cpu.Tests.Conformance;

public sealed class OracleTests
{
    [Fact]
    public void The_oracle_runs_an_instruction_and_returns_its_state()
    {
        using var oracle = new OracleProcess(new byte[OracleLayout.DataBytes]);
        TestVector add = TestVector.Of(0x01, 0xd8);             // add eax, ebx
        add.Gpr[0] = 0xffff_ffff_0000_0001;
        add.Gpr[3] = 0xffff_ffff;
        TestVector store = TestVector.Of(0x66, 0x0f, 0xef, 0xc1); // pxor xmm0, xmm1
        store.Legacy[160 + 16] = 0x55;
        oracle.Run([add, store]);
        var outcome = new TestOutcome();
        oracle.Read(0, outcome);
        Assert.Equal((TestOutcome.Completed, add.Rip + 2, 0UL, 0x55UL), (outcome.Trap, outcome.Rip, outcome.Gpr[0], outcome.Flags & 0x8d5));
        oracle.Read(1, outcome);
        Assert.Equal((TestOutcome.Completed, (byte)0x55), (outcome.Trap, outcome.Legacy[160]));
    }

    [Fact]
    public void The_oracle_reports_faults()
    {
        using var oracle = new OracleProcess(new byte[OracleLayout.DataBytes]);
        TestVector load = TestVector.Of(0x8b, 0x03);            // mov eax, [rbx]
        load.Gpr[3] = OracleLayout.Unmapped + 8;
        TestVector store = TestVector.Of(0x89, 0x03);           // mov [rbx], eax
        store.Gpr[3] = OracleLayout.ReadOnly + 16;
        TestVector divide = TestVector.Of(0xf7, 0xf3);          // div ebx
        TestVector noncanonical = TestVector.Of(0x8b, 0x03);
        noncanonical.Gpr[3] = 0x8000_0000_0000_0000;
        TestVector undefined = TestVector.Of(0x0f, 0x0b);
        oracle.Run([load, store, divide, noncanonical, undefined]);
        var outcome = new TestOutcome();
        (int, ulong, ulong)[] seen = new (int, ulong, ulong)[5];
        for (int i = 0; i < 5; i++)
        {
            oracle.Read(i, outcome);
            seen[i] = (outcome.Trap, outcome.Trap == 14 ? outcome.Error : 0, outcome.Trap == 14 ? outcome.Cr2 : 0);
        }
        Assert.Equal([(14, 4, OracleLayout.Unmapped + 8), (14, 7, OracleLayout.ReadOnly + 16), (0, 0, 0), (13, 0, 0), (6, 0, 0)], seen);
    }
}
