using System;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Host.Events;
using Iced.Intel;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Tests.Engine;

/// <summary>What every engine does alike with interrupts: messages, the PIC's line, level triggers, start-up of other processors.</summary>
public sealed class InterruptContractTests
{
    private const byte Vector = 0x51;
    private const ulong Handler = 0x1_8000, LocalApic = 0xfee0_0000;
    private const uint EndRegister = 0xb0, SpuriousVector = 0xf0, CommandLow = 0x300, CommandHigh = 0x310, Lint0 = 0x350;

    [Theory, Software, Kvm]
    public void A_message_wakes_a_halted_processor(string engine)
    {
        using EngineMachine machine = new(engine);
        VcpuRunner runner = StartWaiter(machine);
        machine.Machine.Interrupts.SignalMsi(new MsiMessage(LocalApic, Vector));
        Assert.Equal(VcpuStop.Requested, runner.Join());
        Assert.Equal(0x77u, machine.Result);
    }

    [Theory, Software, Kvm]
    public void An_event_interrupts_with_the_message_that_was_set_last(string engine)
    {
        using EngineMachine machine = new(engine);
        using IMsiVector vector = machine.Machine.Interrupts.CreateVector()!;
        vector.SetMessage(new MsiMessage(LocalApic, 0x60));
        vector.SetMessage(new MsiMessage(LocalApic, Vector));
        VcpuRunner runner = StartWaiter(machine);
        vector.Event.Signal();
        Assert.Equal(VcpuStop.Requested, runner.Join());
        Assert.Equal(0x77u, machine.Result);
    }

    [Theory, Software, Kvm]
    public void Signals_of_a_masked_event_are_delivered_when_it_is_unmasked(string engine)
    {
        using EngineMachine machine = new(engine);
        using IMsiVector vector = machine.Machine.Interrupts.CreateVector()!, other = machine.Machine.Interrupts.CreateVector()!;
        other.SetMessage(new MsiMessage(LocalApic, 0x60));
        vector.SetMessage(new MsiMessage(LocalApic, 0x61));
        vector.SetMessage(null);
        vector.Event.Signal();
        VcpuRunner runner = StartWaiter(machine);
        vector.SetMessage(new MsiMessage(LocalApic, Vector));
        Assert.Equal(VcpuStop.Requested, runner.Join());
        Assert.Equal(0x77u, machine.Result);
    }

    [Theory, Kvm]
    public void A_store_to_a_doorbell_signals_its_event_and_is_no_access(string engine)
    {
        using EngineMachine machine = new(engine);
        using EventFd ring = EventFd.Create("A test's doorbell");
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.mov(ebx, 0xd000_0000);
            a.mov(__word_ptr[rbx], ax);
            a.mov(__dword_ptr[rbx + 4], eax);
            a.@out(EngineMachine.EndPort, al);
        });
        using (IDisposable? doorbell = machine.Machine.Doorbells!.Connect(0xd000_0000, ring))
        {
            Assert.NotNull(doorbell);
            machine.EnterLong(EngineMachine.Code);
            machine.RunToEnd();
            Assert.True(ring.Drain());
            Assert.Equal(0xd000_0004ul, Assert.Single(machine.Exits.Writes).Address);
        }
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();
        Assert.False(ring.Drain());
        Assert.Equal(3, machine.Exits.Writes.Count);
    }

    [Theory, Software, Kvm]
    public void A_halted_processor_stops_on_request_and_halts_on(string engine)
    {
        using EngineMachine machine = new(engine);
        VcpuRunner runner = StartWaiter(machine);
        // It may not have reached HLT yet, and the stop may come before it has run at all; each time it has longer.
        VcpuActivity activity = VcpuActivity.Running;
        for (int i = 0; i < 1000 && activity == VcpuActivity.Running; i++)
        {
            SpinWait wait = default;
            for (int turn = 0; turn < i; turn++) wait.SpinOnce();
            Assert.Equal(VcpuStop.Requested, runner.Stop());
            activity = machine.Saved().Activity;
            runner = machine.Start();
        }
        Assert.Equal(VcpuActivity.Halted, activity);
        machine.Machine.Interrupts.SignalMsi(new MsiMessage(LocalApic, Vector));
        Assert.Equal(VcpuStop.Requested, runner.Join());
        Assert.Equal(0x77u, machine.Result);
    }

    [Theory, Software, Kvm]
    public void A_message_that_waits_survives_a_save(string engine)
    {
        using EngineMachine first = new(engine), second = new(engine);
        foreach (EngineMachine machine in (EngineMachine[])[first, second])
        {
            WriteHandler(machine);
            machine.Place(EngineMachine.Code, 64, a =>
            {
                EnableApic(a);
                a.@out(0x80, al);
                a.sti();
                WaitForever(a);
            });
            machine.EnterLong(EngineMachine.Code);
        }
        first.Exits.OnPort = (_, _) =>
        {
            first.Machine.Interrupts.SignalMsi(new MsiMessage(LocalApic, Vector));
            first.Boot.RequestStop();
        };
        Assert.Equal(VcpuStop.Requested, first.Boot.Run(first.Exits));
        X86VcpuState state = first.Saved();
        Assert.NotEqual(0, state.LocalApic[0x200 + (Vector / 32 * 16) + (Vector % 32 / 8)] & 1 << (Vector % 8));
        second.Boot.RestoreRegisters(state);
        second.RunToEnd();
        Assert.Equal(0x77u, second.Result);
    }

    [Theory, Software, Kvm]
    public void An_interrupt_that_was_being_delivered_is_delivered_after_a_restore(string engine)
    {
        using EngineMachine machine = new(engine);
        WriteHandler(machine);
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.mov(eax, 0x66);
            a.@out(EngineMachine.EndPort, eax);
        });
        machine.EnterLong(EngineMachine.Code);
        X86VcpuState state = machine.Saved();
        state.PendingInterrupt = Vector;
        state.Rflags |= 0x200;
        machine.Boot.RestoreRegisters(state);
        machine.RunToEnd();
        Assert.Equal(0x77u, machine.Result);
        Assert.True(machine.Memory.TryRead(EngineMachine.Stack - 40, out ulong pushed));
        Assert.Equal(EngineMachine.Code, pushed);
    }

    [Theory, Software, Kvm]
    public void The_PICs_vector_comes_through_LINT0(string engine)
    {
        using EngineMachine machine = new(engine);
        int asked = 0;
        machine.Exits.OnAcknowledge = () =>
        {
            asked++;
            machine.Machine.Interrupts.SetExternalInterrupt(false);
            return Vector;
        };
        VcpuRunner runner = StartWaiter(machine, a =>
        {
            a.mov(eax, 0x700);
            a.mov(__dword_ptr[rbx + Lint0], eax);
        });
        machine.Machine.Interrupts.SetExternalInterrupt(true);
        Assert.Equal(VcpuStop.Requested, runner.Join());
        Assert.Equal(0x77u, machine.Result);
        Assert.Equal(1, asked);
    }

    [Theory, Software, Kvm]
    public void The_PICs_line_waits_until_interrupts_are_enabled(string engine)
    {
        using EngineMachine machine = new(engine);
        WriteHandler(machine);
        bool enabled = false;
        machine.Exits.OnPort = (port, _) =>
        {
            if (port == 0x80) machine.Machine.Interrupts.SetExternalInterrupt(true);
            else enabled = true;
        };
        machine.Exits.OnAcknowledge = () =>
        {
            machine.Machine.Interrupts.SetExternalInterrupt(false);
            return enabled ? Vector : 0x52;
        };
        machine.Place(EngineMachine.Code, 64, a =>
        {
            EnableApic(a);
            a.mov(eax, 0x700);
            a.mov(__dword_ptr[rbx + Lint0], eax);
            a.@out(0x80, al);
            a.nop();
            a.@out(0x81, al);
            a.sti();
            WaitForever(a);
        });
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();
        Assert.Equal(0x77u, machine.Result);
    }

    [Theory, Software, Kvm]
    public void A_masked_LINT0_takes_nothing(string engine)
    {
        using EngineMachine machine = new(engine);
        WriteHandler(machine);
        machine.Exits.OnAcknowledge = () => Vector;
        machine.Machine.Interrupts.SetExternalInterrupt(true);
        machine.Place(EngineMachine.Code, 64, a =>
        {
            EnableApic(a);
            a.sti();
            a.nop();
            a.nop();
            a.mov(eax, 0x66);
            a.@out(EngineMachine.EndPort, eax);
        });
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();
        Assert.Equal(0x66u, machine.Result);
    }

    [Theory, Software, Kvm]
    public void The_end_of_a_level_triggered_interrupt_is_reported(string engine)
    {
        using EngineMachine machine = new(engine);
        MsiMessage level = new(LocalApic, Vector | 1 << 14 | 1 << 15);
        machine.Machine.Interrupts.SetLevelRoute(9, level);
        int ended = 0;
        machine.Exits.OnEnd = vector =>
        {
            Assert.Equal(Vector, vector);
            // The wire is still up once: the IOAPIC sends it again.
            if (++ended == 1) machine.Machine.Interrupts.SignalMsi(level);
        };
        machine.Place(Handler, 64, a =>
        {
            Label again = a.CreateLabel();
            a.inc(esi);
            a.mov(__dword_ptr[rbx + EndRegister], 0);
            // KVM without hardware virtualization looks at what it has to report only when it leaves its emulator.
            a.@out(0x81, al);
            a.cmp(esi, 2);
            a.jb(again);
            a.mov(eax, esi);
            a.@out(EngineMachine.EndPort, eax);
            a.Label(ref again);
            a.iretq();
        });
        machine.SetGate(Vector, Handler);
        WriteWaiter(machine, a => a.xor(esi, esi));
        VcpuRunner runner = machine.Start();
        Assert.True(machine.Exits.WaitForPort());
        machine.Machine.Interrupts.SignalMsi(level);
        Assert.Equal(VcpuStop.Requested, runner.Join());
        Assert.Equal(2u, machine.Result);
        Assert.Equal([Vector, Vector], machine.Exits.Ended.ToArray());
    }

    [Theory, Software, Kvm]
    public void The_end_of_an_edge_triggered_interrupt_is_not(string engine)
    {
        using EngineMachine machine = new(engine);
        VcpuRunner runner = StartWaiter(machine);
        machine.Machine.Interrupts.SignalMsi(new MsiMessage(LocalApic, Vector));
        runner.Join();
        Assert.Empty(machine.Exits.Ended);
    }

    [Theory, Software, Kvm]
    public void INIT_and_SIPI_start_another_processor(string engine)
    {
        using EngineMachine machine = new(engine, vcpus: 2);
        const ulong Flag = 0x2_0000;
        // The second processor begins in real mode at the SIPI's page.
        machine.Place(0x8000, 16, a =>
        {
            a.mov(ax, 0x2000);
            a.mov(ds, ax);
            a.mov(__word_ptr[0], 0x1234);
            Label forever = a.CreateLabel();
            a.Label(ref forever);
            a.hlt();
            a.jmp(forever);
        });
        machine.Place(EngineMachine.Code, 64, a =>
        {
            EnableApic(a);
            a.mov(__dword_ptr[rbx + CommandHigh], 1 << 24);
            a.mov(__dword_ptr[rbx + CommandLow], 0x4500);
            a.mov(__dword_ptr[rbx + CommandHigh], 1 << 24);
            a.mov(__dword_ptr[rbx + CommandLow], 0x4608);
            Label wait = a.CreateLabel();
            a.Label(ref wait);
            a.pause();
            a.movzx(eax, __word_ptr[Flag]);
            a.test(eax, eax);
            a.jz(wait);
            a.@out(EngineMachine.EndPort, eax);
        });
        machine.EnterLong(EngineMachine.Code);
        VcpuRunner second = machine.Start(1), first = machine.Start();
        Assert.Equal(VcpuStop.Requested, first.Join());
        Assert.Equal(VcpuStop.Requested, second.Join());
        Assert.Equal(0x1234u, machine.Result);
        X86VcpuState state = machine.Saved(1);
        Assert.Equal(0x800, state.Segments[1].Selector);
    }

    [Theory, Software, Kvm]
    public void A_processor_that_waits_for_SIPI_stops_on_request(string engine)
    {
        using EngineMachine machine = new(engine, vcpus: 2);
        VcpuRunner runner = machine.Start(1);
        Assert.Equal(VcpuStop.Requested, runner.Stop());
        Assert.Equal(VcpuActivity.WaitForSipi, machine.Saved(1).Activity);
    }

    [Theory, Software, Kvm]
    public void Many_stops_and_goes_lose_none(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Place(EngineMachine.Code, 64, a =>
        {
            Label forever = a.CreateLabel();
            a.Label(ref forever);
            a.inc(rbx);
            a.jmp(forever);
        });
        machine.EnterLong(EngineMachine.Code);
        int stops = 0;
        using SemaphoreSlim stopped = new(0);
        Thread thread = new(() =>
        {
            for (int i = 0; i < 2000; i++)
            {
                if (machine.Boot.Run(machine.Exits) != VcpuStop.Requested) return;
                stops++;
                stopped.Release();
            }
        }) { IsBackground = true };
        thread.Start();
        for (int i = 0; i < 2000; i++)
        {
            machine.Boot.RequestStop();
            Assert.True(stopped.Wait(30_000), $"Stop {i} was lost.");
        }
        thread.Join();
        Assert.Equal(2000, stops);
    }

    // RBX: the local APIC, enabled.
    private static void EnableApic(Assembler a)
    {
        a.mov(ebx, (uint)LocalApic);
        a.mov(__dword_ptr[rbx + SpuriousVector], 0x1ff);
    }

    private static void WriteHandler(EngineMachine machine)
    {
        machine.Place(Handler, 64, a =>
        {
            a.mov(eax, 0x77);
            a.@out(EngineMachine.EndPort, eax);
            a.hlt();
        });
        machine.SetGate(Vector, Handler);
    }

    // Starts a guest that waits halted for the vector, whose handler answers 0x77, and waits until it is ready for it.
    private static VcpuRunner StartWaiter(EngineMachine machine, Action<Assembler>? before = null)
    {
        WriteHandler(machine);
        WriteWaiter(machine, before);
        VcpuRunner runner = machine.Start();
        Assert.True(machine.Exits.WaitForPort());
        return runner;
    }

    private static void WriteWaiter(EngineMachine machine, Action<Assembler>? before = null)
    {
        machine.Place(EngineMachine.Code, 64, a =>
        {
            EnableApic(a);
            before?.Invoke(a);
            a.@out(0x80, al);
            a.sti();
            WaitForever(a);
        });
        machine.EnterLong(EngineMachine.Code);
    }

    // An engine may take some instructions to notice an interrupt that has become possible.
    private static void WaitForever(Assembler a)
    {
        Label forever = a.CreateLabel();
        a.Label(ref forever);
        a.hlt();
        a.jmp(forever);
    }
}
