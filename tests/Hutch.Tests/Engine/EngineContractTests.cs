using Hutch.Core.Engine;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Tests.Engine;

/// <summary>What every engine does alike: accesses that leave the guest, stops, resets.</summary>
public sealed class EngineContractTests
{
    [Theory, Software, Kvm]
    public void Port_accesses_of_every_width_reach_the_machine(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Exits.Answers[0x510] = 0x8765_4321;
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.mov(dx, 0x510);
            a.mov(rax, 0x1122_3344_5566_7788);
            a.@out(dx, al);
            a.@out(dx, ax);
            a.@out(dx, eax);
            a.xor(ebx, ebx);
            a.@in(al, dx);
            a.mov(bl, al);
            a.@in(eax, dx);
            a.mov(esi, eax);
            a.@in(ax, dx);
            a.mov(ecx, eax);
            a.@out(EngineMachine.EndPort, al);
        });
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();
        Assert.Equal([(0x510, 0x88, 1), (0x510, 0x7788, 2), (0x510, 0x5566_7788, 4)], machine.Exits.Writes.ToArray());
        X86VcpuState state = machine.Saved();
        Assert.Equal(0x21ul, state.Gpr[3]);
        Assert.Equal(0x8765_4321ul, state.Gpr[6]);
        Assert.Equal(0x8765_4321ul, state.Gpr[1]);
    }
}
