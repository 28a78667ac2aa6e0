using System;
using Hutch.Core.Engine;
using Hutch.Cpu.Tests.Conformance;
using Xunit;

namespace Hutch.Cpu.Tests.Interpreter;

public sealed class SavedVectorStateTests
{
    [Fact]
    public void A_saved_state_with_reserved_bits_does_not_fault_on_the_host()
    {
        using var guest = new ConformanceGuest(new byte[OracleLayout.DataBytes]);
        var vector = new TestVector { Rip = OracleLayout.Code + 0x100, Flags = 0x202 };
        vector.Code.AsSpan().Fill(0xcc);
        byte[] code = [0x0f, 0x58, 0xc1, 0xd9, 0xe8]; // addps xmm0, xmm1; fld1
        guest.Place(Page(code), mode: 0, vector);
        var state = new X86VcpuState();
        guest.Vcpu.SaveRegisters(state);
        state.XsaveArea.AsSpan(0, 832).Fill(0xff);
        guest.Vcpu.RestoreRegisters(state);
        Assert.Equal(Hutch.Cpu.Interpreter.StepResult.Continue, guest.Vcpu.Interpreter.Step());
        guest.Vcpu.SaveRegisters(state);
        Assert.Equal(0xffffu, BitConverter.ToUInt32(state.XsaveArea, 24));
    }

    private static byte[] Page(byte[] code)
    {
        var page = new byte[4096];
        Array.Fill(page, (byte)0xcc);
        code.CopyTo(page, 0);
        return page;
    }
}
