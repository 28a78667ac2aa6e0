using System;
using System.Linq;
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

    [Theory, Software, Kvm]
    public void Clocks_that_are_read_together_are_the_guests_own_and_the_hosts(string engine)
    {
        using EngineMachine machine = new(engine);
        MachineClock before = machine.Machine.SaveClock();
        DateTimeOffset first = DateTimeOffset.UtcNow;
        ClockPair? read = machine.Machine.ReadClocks();
        DateTimeOffset last = DateTimeOffset.UtcNow;
        // An engine that cannot tell says so. The software engine can where the host's counter is stable, and no test host has another.
        if (engine == Engines.Kvm && read is null) return;
        ClockPair pair = Assert.NotNull(read);
        Assert.InRange(pair.Tsc, before.Tsc[0], machine.Machine.SaveClock().Tsc[0]);
        Assert.InRange(pair.Wall, first, last);
        Assert.Equal(before.TscKhz, pair.TscKhz);
    }

    [Theory, Software, Kvm]
    public void String_io_makes_one_access_for_each_element(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Memory.TryCopyIn(0x2_0000, "abcdef"u8);
        machine.Exits.Answers[0x61] = 0x5a;
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.cld();
            a.mov(esi, 0x2_0000);
            a.mov(ecx, 6);
            a.mov(dx, 0x402);
            a.rep.outsb();
            a.mov(edi, 0x2_1000);
            a.mov(ecx, 3);
            a.mov(dx, 0x61);
            a.rep.insb();
            a.@out(EngineMachine.EndPort, al);
        });
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();
        Assert.Equal("abcdef", string.Concat(machine.Exits.Writes.Select(write => (char)write.Value)));
        Assert.True(machine.Memory.TryRead(0x2_1000, out uint read));
        Assert.Equal(0x005a_5a5au, read);
        Assert.Equal(0x2_0006ul, machine.Saved().Gpr[6]);
    }

    [Theory, Software, Kvm]
    public void Loads_and_stores_outside_memory_reach_the_machine(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Exits.Answers[0xd000_0010] = 0x1122_3344_5566_7788;
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.mov(ebx, 0xd000_0000);
            a.mov(rax, 0x0102_0304_0506_0708);
            a.mov(__byte_ptr[rbx], al);
            a.mov(__word_ptr[rbx + 2], ax);
            a.mov(__dword_ptr[rbx + 4], eax);
            a.mov(__qword_ptr[rbx + 8], rax);
            a.mov(rcx, __qword_ptr[rbx + 0x10]);
            a.movzx(esi, __byte_ptr[rbx + 0x10]);
            a.@out(EngineMachine.EndPort, al);
        });
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();
        Assert.Equal([(0xd000_0000, 8, 1), (0xd000_0002, 0x0708, 2), (0xd000_0004, 0x0506_0708, 4), (0xd000_0008, 0x0102_0304_0506_0708, 8)], machine.Exits.Writes.ToArray());
        X86VcpuState state = machine.Saved();
        Assert.Equal(0x1122_3344_5566_7788ul, state.Gpr[1]);
        Assert.Equal(0x88ul, state.Gpr[6]);
    }

    [Theory, Software, Kvm]
    public void Real_mode_runs_from_the_state_given(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Place(EngineMachine.Code, 16, a =>
        {
            a.mov(ax, 0x1234);
            a.mov(bx, 0x4321);
            a.add(ax, bx);
            a.mov(__word_ptr[0x500], ax);
            a.@out(EngineMachine.EndPort, ax);
        });
        machine.EnterReal(EngineMachine.Code);
        machine.RunToEnd();
        Assert.Equal(0x5555u, machine.Result);
        Assert.True(machine.Memory.TryRead(0x500, out ushort stored));
        Assert.Equal(0x5555, stored);
    }

    [Theory, Software, Kvm]
    public void A_program_in_ring_3_runs(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.mov(ax, cs);
            a.movzx(ebx, ax);
            a.xor(eax, eax);
            a.mov(ecx, 100_000);
            Iced.Intel.Label next = a.CreateLabel();
            a.Label(ref next);
            a.add(rax, rcx);
            a.dec(ecx);
            a.jnz(next);
            a.push(rax);
            a.@out(EngineMachine.EndPort, eax);
        });
        machine.EnterLong(EngineMachine.Code, ring: 3);
        machine.RunToEnd();
        Assert.Equal(unchecked((uint)5_000_050_000), machine.Result);
        Assert.Equal(0x33ul, machine.Saved().Gpr[3]);
        Assert.True(machine.Memory.TryRead(EngineMachine.UserStack - 8, out ulong pushed));
        Assert.Equal(5_000_050_000ul, pushed);
    }

    [Theory, Software, Kvm]
    public void A_stop_request_ends_a_busy_loop_and_the_loop_goes_on_later(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Place(EngineMachine.Code, 64, a =>
        {
            Iced.Intel.Label forever = a.CreateLabel();
            a.Label(ref forever);
            a.inc(rbx);
            a.test(ebx, 0xfff);
            a.jnz(forever);
            a.@out(0x80, al);
            a.jmp(forever);
        });
        machine.EnterLong(EngineMachine.Code);
        VcpuRunner runner = machine.Start();
        Assert.True(machine.Exits.WaitForPort());
        Assert.Equal(VcpuStop.Requested, runner.Stop());
        ulong before = machine.Saved().Gpr[3];
        machine.Exits.ForgetPort();
        runner = machine.Start();
        Assert.True(machine.Exits.WaitForPort());
        Assert.Equal(VcpuStop.Requested, runner.Stop());
        Assert.True(machine.Saved().Gpr[3] > before);
    }

    [Theory, Software, Kvm]
    public void A_stop_request_before_the_run_ends_it_at_once(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Place(EngineMachine.Code, 64, a => a.@out(0x80, al));
        machine.EnterLong(EngineMachine.Code);
        machine.Boot.RequestStop();
        Assert.Equal(VcpuStop.Requested, machine.Boot.Run(machine.Exits));
        Assert.Empty(machine.Exits.Writes);
        Assert.Equal(EngineMachine.Code, machine.Saved().Rip);
    }

    [Theory, Software, Kvm]
    public void A_stop_while_an_access_is_served_completes_the_access_first(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Exits.Answers[0x71] = 0x42;
        machine.Exits.Answers[0xd000_0000] = 0x77;
        machine.Exits.OnRead = () => machine.Boot.RequestStop();
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.@in(al, 0x71);
            a.nop();
            a.mov(ebx, 0xd000_0000);
            a.mov(ecx, __dword_ptr[rbx]);
            a.nop();
            a.@out(EngineMachine.EndPort, al);
        });
        machine.EnterLong(EngineMachine.Code);
        Assert.Equal(VcpuStop.Requested, machine.Boot.Run(machine.Exits));
        X86VcpuState state = machine.Saved();
        Assert.Equal(0x42ul, state.Gpr[0] & 0xff);
        Assert.Equal(EngineMachine.Code + 2, state.Rip);
        Assert.Equal(VcpuStop.Requested, machine.Boot.Run(machine.Exits));
        Assert.Equal(0x77ul, machine.Saved().Gpr[1]);
        machine.Exits.OnRead = null;
        machine.RunToEnd();
        Assert.Equal(0x42u, machine.Result);
    }

    [Theory, Software, Kvm]
    public void A_triple_fault_ends_the_run(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Place(EngineMachine.Code, 64, a => a.ud2());
        machine.EnterLong(EngineMachine.Code);
        X86VcpuState state = machine.Saved();
        state.Idtr = default;
        machine.Boot.RestoreRegisters(state);
        Assert.Equal(VcpuStop.TripleFault, machine.Boot.Run(machine.Exits));
    }

    [Theory, Software, Kvm]
    public void Reset_gives_the_state_after_power_on(string engine)
    {
        using EngineMachine machine = new(engine, vcpus: 2);
        X86VcpuState first = machine.Saved();
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.mov(ecx, 0x277);
            a.mov(eax, 0x0606_0606);
            a.mov(edx, eax);
            a.wrmsr();
            a.@out(EngineMachine.EndPort, al);
        });
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();
        Assert.Equal(0x0606_0606_0606_0606ul, machine.Saved().Msrs[0x277]);
        foreach (IVcpu vcpu in machine.Machine.Vcpus) vcpu.Reset();
        X86VcpuState state = machine.Saved();
        Assert.Equal(0xfff0ul, state.Rip);
        Assert.Equal(0xffff_0000ul, state.Segments[1].Base);
        Assert.Equal(0x6000_0010ul, state.Cr0);
        Assert.Equal(0ul, state.Cr4 | state.Efer | state.Cr3);
        Assert.Equal(0x0007_0406_0007_0406ul, state.Msrs[0x277]);
        Assert.Equal(VcpuActivity.Running, state.Activity);
        Assert.Equal(VcpuActivity.WaitForSipi, machine.Saved(1).Activity);
        Assert.Equal(first.LocalApic, state.LocalApic);
        Assert.Equal(0x1_0000u, BitConverter.ToUInt32(state.LocalApic, 0x350));
    }

    [Theory, Software, Kvm]
    public void A_state_saved_in_mid_run_goes_on_in_another_machine(string engine)
    {
        X86VcpuState state = new();
        using EngineMachine first = new(engine), second = new(engine);
        foreach (EngineMachine machine in (EngineMachine[])[first, second])
            machine.Place(EngineMachine.Code, 64, a =>
            {
                Iced.Intel.Label next = a.CreateLabel();
                a.mov(r15, 0x0123_4567_89ab_cdef);
                a.mov(ecx, 1000);
                a.Label(ref next);
                a.imul(r15, r15, 33);
                a.add(r15, rcx);
                a.@out(0x80, al);
                a.dec(ecx);
                a.jnz(next);
                a.mov(eax, r15d);
                a.@out(EngineMachine.EndPort, eax);
            });
        first.EnterLong(EngineMachine.Code);
        second.EnterLong(EngineMachine.Code);
        first.Exits.OnPort = (_, _) => { if (first.Exits.Writes.Count == 500) first.Boot.RequestStop(); };
        Assert.Equal(VcpuStop.Requested, first.Boot.Run(first.Exits));
        Assert.Equal(500, first.Exits.Writes.Count);
        first.Boot.SaveRegisters(state);
        second.Boot.RestoreRegisters(state);
        second.RunToEnd();
        Assert.Equal(500, second.Exits.Writes.Count);
        ulong expected = 0x0123_4567_89ab_cdef;
        for (ulong i = 1000; i != 0; i--) expected = (expected * 33) + i;
        Assert.Equal((uint)expected, second.Result);
        Assert.Equal(expected, second.Saved().Gpr[15]);
    }

    [Theory, Software, Kvm]
    public void Restoring_what_was_saved_changes_nothing(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Place(EngineMachine.Code, 64, a => a.nop());
        machine.EnterLong(EngineMachine.Code, ring: 3);
        X86VcpuState state = machine.Saved();
        for (int i = 0; i < 16; i++) state.Gpr[i] = 0x1111_1111_1111_1111 * (ulong)i;
        state.DebugRegisters[0] = 0x1234;
        state.Cr2 = 0xdead_beef;
        state.Msrs[0xc000_0082] = 0xffff_ffff_8100_0000;
        state.NmiBlocked = true;
        state.PendingInterrupt = 0x40;
        machine.Boot.RestoreRegisters(state);
        X86VcpuState again = machine.Saved();
        Assert.Equal(state.Gpr, again.Gpr);
        Assert.Equal(state.Segments, again.Segments);
        Assert.Equal((state.Rip, state.Rflags, state.Cr0, state.Cr2, state.Cr3, state.Cr4), (again.Rip, again.Rflags, again.Cr0, again.Cr2, again.Cr3, again.Cr4));
        Assert.Equal((state.Efer, state.Gdtr, state.Idtr, state.Activity), (again.Efer, again.Gdtr, again.Idtr, again.Activity));
        Assert.Equal(state.DebugRegisters, again.DebugRegisters);
        Assert.Equal(state.LocalApic, again.LocalApic);
        Assert.Equal(0xffff_ffff_8100_0000ul, again.Msrs[0xc000_0082]);
        Assert.True(again.NmiBlocked);
        Assert.Equal((byte)0x40, again.PendingInterrupt);
    }
}
