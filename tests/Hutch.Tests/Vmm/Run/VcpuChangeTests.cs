using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Devices.Chipset;
using Hutch.Host.Time;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Hutch.Tests.Vmm.Boot;
using Hutch.Vmm.Build;
using Hutch.Vmm.Control;
using Hutch.Vmm.Run;
using Hutch.Vmm.Snapshot;
using Xunit;

namespace Hutch.Tests.Vmm.Run;

/// <summary>vCPUs that come and go, with a test in the place of the guest.</summary>
public sealed class VcpuChangeTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-vcpus-").FullName;
    private readonly TimerQueue _timers = new(new MonotonicClock());
    private readonly ManualResetEventSlim _running = new();
    private IVcpuExits? _exits;

    public VcpuChangeTests() => File.WriteAllBytes(Kernel, Images.BzImage());

    private string Kernel => Path.Combine(_folder, "kernel");

    public void Dispose()
    {
        _timers.Dispose();
        _running.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private MachineDefinition Definition => new()
    {
        Name = "test", MemoryBytes = 32 << 20, Cpus = new CpuTopology(4, 1, 1), AbsentVcpus = 0b1100, Cpu = CpuModel.Max, Engine = EngineChoice.Software,
        Boot = new KernelBoot(Kernel, null, "quiet"), Devices = [new PlatformConfig("platform")],
    };

    private void Run(Action<Running> client)
    {
        Mailbox mailbox = new();
        using BackEnds backEnds = new(static () => { });
        using FakeHypervisor hypervisor = new((vcpu, exits) =>
        {
            _exits = exits;
            _running.Set();
            return vcpu.WaitForStop();
        });
        using Machine machine = new MachineBuilder(hypervisor, new PausableTimers(_timers), backEnds, mailbox).Build(Definition);
        StateDriver driver = new(machine, mailbox, Definition);
        Exception? failure = null;
        Running running = new(this, machine, driver, hypervisor.Machine!, mailbox);
        Thread thread = new(() =>
        {
            _running.Wait();
            try
            {
                client(running);
            }
            catch (Exception wrong)
            {
                failure = wrong;
            }
            running.Ask(VmVerb.Quit);
        });
        thread.Start();
        driver.Run();
        thread.Join();
        Assert.Null(failure);
    }

    [Fact]
    public void An_absent_vcpu_has_no_thread_and_a_local_apic_that_hears_nothing() => Run(running =>
    {
        Assert.Equal([0, 1], running.Threads());
        Assert.Equal((2, 4), (running.Driver.VcpuCount, running.Machine.Cpus.VcpuCount));
        Assert.Equal([true, true, false, false], running.ApicsOn());
    });

    [Fact]
    public void Vcpus_come_with_the_clock_of_the_first_and_go_when_the_guest_ejects_them() => Run(running =>
    {
        Assert.Equal(VmReply.Completed, running.Set("4"));
        Assert.Equal([0, 1, 2, 3], running.Threads());
        Assert.Equal([true, true, true, true], running.ApicsOn());
        Assert.Equal(0b1100UL, running.Machine.CpuHotplug!.Offered);
        running.Guest(exits => exits.ReadPort(CpuHotplug.BasePort + 8, new byte[4]));

        Assert.Equal(VmReply.Completed, running.Set("3"));
        Assert.Equal(4, running.Driver.VcpuCount);
        Assert.Equal(0b1000UL, running.Machine.CpuHotplug.Asked);
        running.Guest(exits => exits.WritePort(CpuHotplug.BasePort + 24, [3, 0, 0, 0]));
        // What the driver does next comes behind that.
        Assert.Equal(VmReply.Completed, running.Ask(VmVerb.Pause));
        Assert.Equal([0, 1, 2], running.Threads());
        Assert.Equal([true, true, true, false], running.ApicsOn());

        // One in the middle: the lowest number that is free comes next.
        running.Guest(exits => exits.WritePort(CpuHotplug.BasePort + 24, [1, 0, 0, 0]));
        Assert.Equal(VmReply.Completed, running.Ask(VmVerb.Resume));
        Assert.Equal([0, 2], running.Threads());
        Assert.Equal(VmReply.Completed, running.Set("3"));
        Assert.Equal([0, 1, 2], running.Threads());
    });

    [Theory]
    [InlineData("0", "one vCPU at least")]
    [InlineData("5", "--cpus 2,max=5")]
    [InlineData("-1", "no number of vCPUs")]
    [InlineData("99999999999", "no number of vCPUs")]
    public void What_cannot_be_is_a_sentence_and_changes_nothing(string count, string sentence) => Run(running =>
    {
        VmReply reply = running.Set(count);
        Assert.Equal(VmReplyKind.Error, reply.Kind);
        Assert.Contains(sentence, reply.Message, StringComparison.Ordinal);
        Assert.Equal([0, 1], running.Threads());
    });

    [Fact]
    public void A_reset_keeps_what_is_plugged_in() => Run(running =>
    {
        running.Set("3");
        Assert.Equal(VmReply.Completed, running.Ask(VmVerb.Reset));
        Assert.Equal([0, 1, 2], running.Threads());
        Assert.Equal([true, true, true, false], running.ApicsOn());
        Assert.Equal(0UL, running.Machine.CpuHotplug!.Offered);
        Assert.Equal([1, 1, 1, 2], running.MadtFlags());
    });

    [Fact]
    public void A_state_is_restored_with_the_same_vcpus()
    {
        string file = Path.Combine(_folder, "state");
        Run(running =>
        {
            Assert.Equal([1, 1, 2, 2], running.MadtFlags());
            running.Set("4");
            running.Guest(exits => exits.ReadPort(CpuHotplug.BasePort + 8, new byte[4]));
            running.Guest(exits => exits.WritePort(CpuHotplug.BasePort + 24, [1, 0, 0, 0]));
            Assert.Equal(VmReply.Completed, running.Ask(VmVerb.Save, ("file", file), ("then", "resume")));
        });
        using StateFileReader state = StateFileReader.Open(file);
        MachineDefinition saved = MachineState.ReadDefinition(state.Sections);
        Assert.Equal(0b10UL, saved.AbsentVcpus);
        using BackEnds backEnds = new(static () => { });
        using FakeHypervisor hypervisor = new(static (vcpu, _) => vcpu.WaitForStop());
        using Machine machine = new MachineBuilder(hypervisor, new PausableTimers(_timers), backEnds, new Mailbox()).Build(saved, state);
        Assert.Equal((3, 0b1101UL, 0b1100UL), (machine.VcpuCount, machine.CpuHotplug!.Present, machine.CpuHotplug.Offered));
    }

    private sealed record Running(VcpuChangeTests Test, Machine Machine, StateDriver Driver, FakeMachine Engine, Mailbox Mailbox)
    {
        internal VmReply Set(string count) => Ask(VmVerb.Set, ("vcpus", count));

        internal VmReply Ask(string verb, params (string Name, string Value)[] options)
        {
            using ControlCall call = new(new VmRequest(verb, options.ToDictionary(static option => option.Name, static option => option.Value)));
            Mailbox.Post(new MachineRequest(RequestKind.Control, Call: call));
            return call.Wait();
        }

        // Accesses may come from any thread.
        internal void Guest(Action<IVcpuExits> access) => access(Test._exits!);

        internal IEnumerable<int> Threads() => Machine.Host.Describe().Vcpus.Select(static vcpu => vcpu.Index);

        internal IEnumerable<bool> ApicsOn() => Engine.Vcpus.Select(static vcpu => ((FakeVcpu)vcpu).IsApicOn);

        /// <summary>Of the local APIC structures (ACPI 6.5 §5.2.12.2): 1 is enabled, 2 is online capable.</summary>
        internal IEnumerable<int> MadtFlags()
        {
            byte[] area = new byte[0x1_0000];
            Assert.True(Machine.Memory.TryCopyOut(0xe_0000, area));
            int madt = area.AsSpan().IndexOf("APIC"u8);
            for (int at = madt + 44; area[at] == 0; at += 8) yield return BitConverter.ToInt32(area, at + 4);
        }
    }
}
