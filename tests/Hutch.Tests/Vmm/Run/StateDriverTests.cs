using System;
using System.IO;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Hutch.Tests.Vmm.Boot;
using Hutch.Vmm.Build;
using Hutch.Vmm.Control;
using Hutch.Vmm.Run;
using Xunit;

namespace Hutch.Tests.Vmm.Run;

public sealed class StateDriverTests : IDisposable
{
    private readonly string _kernel = Path.GetTempFileName();
    private readonly TimerQueue _timers = new(new MonotonicClock());

    public StateDriverTests() => File.WriteAllBytes(_kernel, Images.BzImage());

    public void Dispose()
    {
        _timers.Dispose();
        File.Delete(_kernel);
    }

    private MachineDefinition Definition(int cpus = 1, bool noReboot = false, string model = "max") => new()
    {
        Name = "test",
        MemoryBytes = 32 << 20,
        Cpus = new CpuTopology(1, cpus, 1),
        Cpu = new CpuModel(model, [], []),
        Engine = EngineChoice.Software,
        Boot = new KernelBoot(_kernel, null, "quiet"),
        Devices = [],
        NoReboot = noReboot,
    };

    private readonly System.Collections.Generic.List<string> _told = [];

    private MachineEnd Run(MachineDefinition definition, Func<FakeVcpu, Mailbox, VcpuStop> guest, Action<FakeMachine>? look = null)
    {
        Mailbox mailbox = new();
        using BackEnds backEnds = new(static () => { });
        using FakeHypervisor hypervisor = new((vcpu, _) => guest(vcpu, mailbox));
        using Machine machine = new MachineBuilder(hypervisor, new PausableTimers(_timers), backEnds, mailbox).Build(definition);
        MachineEnd end = new StateDriver(machine, mailbox, definition, tell: (what, _) => _told.Add(what)).Run();
        look?.Invoke(hypervisor.Machine!);
        return end;
    }

    [Fact]
    public void A_power_off_ends_with_status_0()
    {
        MachineEnd end = Run(Definition(cpus: 4), static (vcpu, mailbox) =>
        {
            ((IPlatformEvents)mailbox).PowerOff();
            return vcpu.WaitForStop();
        });
        Assert.Equal(new MachineEnd(0, VmEvent.PoweredOff), end);
    }

    [Fact]
    public void A_triple_fault_resets_the_machine_and_loads_the_kernel_again()
    {
        MachineEnd end = Run(Definition(cpus: 2), static (vcpu, mailbox) =>
        {
            Assert.True(vcpu.Machine.Memory.TryRead(0x100_0000, out byte first));
            Assert.Equal(Images.BzImage()[Images.BzPayload], first);
            Assert.True(vcpu.Machine.Memory.TryRead(0x5000, out byte scratch));
            Assert.Equal(0, scratch);
            vcpu.Machine.Memory.TryWrite(0x100_0000, (byte)0);
            vcpu.Machine.Memory.TryWrite(0x5000, (byte)1);
            if (vcpu.Runs < 3) return VcpuStop.TripleFault;
            ((IPlatformEvents)mailbox).PowerOff();
            return vcpu.WaitForStop();
        }, static machine =>
        {
            Assert.Equal(2, ((FakeVcpu)machine.Vcpus[0]).Resets);
            Assert.Equal(2, ((FakeVcpu)machine.Vcpus[1]).Resets);
            Assert.Equal(0x100_0200UL, ((FakeVcpu)machine.Vcpus[0]).Loaded!.Rip);
        });
        Assert.Equal(0, end.Status);
        Assert.Null(end.Error);
        Assert.Equal([VmEvent.Reset, VmEvent.Reset, VmEvent.PoweredOff], _told);
    }

    [Fact]
    public void A_reset_under_no_reboot_ends_with_status_0() =>
        Assert.Equal(new MachineEnd(0, VmEvent.PoweredOff), Run(Definition(noReboot: true), static (_, _) => VcpuStop.TripleFault));

    [Fact]
    public void Many_resets_from_several_places_at_once_reset_once()
    {
        int runs = 0;
        Run(Definition(), (vcpu, mailbox) =>
        {
            IPlatformEvents platform = mailbox;
            if (++runs > 1) platform.PowerOff();
            for (int count = 0; count < 1000 && runs == 1; count++) platform.Reset();
            return vcpu.WaitForStop();
        }, static machine => Assert.Equal(1, ((FakeVcpu)machine.Vcpus[0]).Resets));
        Assert.Equal(2, runs);
    }

    [Fact]
    public void Debug_exit_ends_with_the_guests_status()
    {
        MachineEnd end = Run(Definition(), static (vcpu, mailbox) =>
        {
            ((IPlatformEvents)mailbox).Exit(ExitStatus.FromDebugExit(0x10));
            return vcpu.WaitForStop();
        });
        Assert.Equal(new MachineEnd(0x21, VmEvent.PoweredOff), end);
    }

    [Fact]
    public void A_failed_vcpu_ends_with_its_detail()
    {
        MachineEnd end = Run(Definition(), static (vcpu, _) =>
        {
            vcpu.Failure = new VcpuFailure("There is no such instruction", "use another; or none");
            return VcpuStop.Failed;
        });
        Assert.Equal(ExitStatus.GuestFailed, end.Status);
        Assert.Equal("vCPU 0 cannot go on: There is no such instruction; use another; or none.", end.Error);
    }

    [Fact]
    public void An_exception_on_a_vcpu_thread_is_an_internal_error()
    {
        MachineEnd end = Run(Definition(), static (_, _) => throw new InvalidOperationException("boom"));
        Assert.Equal(ExitStatus.InternalError, end.Status);
        Assert.Contains("boom", end.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_vcpu_has_write_back_memory_and_the_first_takes_the_pic()
    {
        Run(Definition(cpus: 2), static (vcpu, mailbox) =>
        {
            ((IPlatformEvents)mailbox).PowerOff();
            return vcpu.WaitForStop();
        }, static machine =>
        {
            foreach (IVcpu vcpu in machine.Vcpus) Assert.Equal(0xc06UL, ((FakeVcpu)vcpu).Loaded!.Msrs[0x2ff]);
            Assert.Equal(0x700, BitConverter.ToInt32(((FakeVcpu)machine.Vcpus[0]).Loaded!.LocalApic, 0x350));
            Assert.Equal(0, BitConverter.ToInt32(((FakeVcpu)machine.Vcpus[1]).Loaded!.LocalApic, 0x350));
        });
    }

    [Fact]
    public void An_unknown_cpu_model_is_the_operators_mistake() =>
        Assert.Throws<ConfigException>(() => Run(Definition(model: "unknown"), static (_, _) => VcpuStop.Failed));

    private static VmReply Ask(Mailbox mailbox, string verb)
    {
        using ControlCall call = new(new VmRequest(verb));
        mailbox.Post(new MachineRequest(RequestKind.Control, Call: call));
        return call.Wait();
    }

    [Fact]
    public void A_paused_machine_runs_no_vcpu_and_goes_on_when_resumed()
    {
        Thread? client = null;
        int runs = 0;
        bool paused = false;
        using ManualResetEventSlim again = new();
        MachineEnd end = Run(Definition(cpus: 2), (vcpu, mailbox) =>
        {
            Assert.False(Volatile.Read(ref paused));
            if (++runs > 1)
            {
                again.Set();
            }
            else
            {
                client = new Thread(() =>
                {
                    Assert.Equal(VmReply.Completed, Ask(mailbox, VmVerb.Pause));
                    Volatile.Write(ref paused, true);
                    Assert.Equal(VmReply.Completed, Ask(mailbox, VmVerb.Pause));
                    Assert.Equal(VmReplyKind.Error, Ask(mailbox, VmVerb.PowerDown).Kind);
                    Volatile.Write(ref paused, false);
                    Assert.Equal(VmReply.Completed, Ask(mailbox, VmVerb.Resume));
                    Assert.Equal(VmReplyKind.Error, Ask(mailbox, "dance").Kind);
                    again.Wait();
                    Assert.Equal(VmReply.Completed, Ask(mailbox, VmVerb.Quit));
                });
                client.Start();
            }
            return vcpu.WaitForStop();
        }, static machine => Assert.NotNull(machine.RestoredClock));
        client!.Join();
        Assert.Equal(new MachineEnd(0, VmEvent.Left), end);
        Assert.Equal(2, runs);
    }

    [Fact]
    public void A_client_that_asks_after_the_end_is_told()
    {
        Mailbox mailbox = new();
        mailbox.Close();
        Assert.Equal(VmReplyKind.Error, Ask(mailbox, VmVerb.Pause).Kind);
    }
}
