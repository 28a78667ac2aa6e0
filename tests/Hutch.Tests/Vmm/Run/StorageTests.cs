using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Hutch.Tests.Vmm.Boot;
using Hutch.Vmm.Build;
using Hutch.Vmm.Control;
using Hutch.Vmm.Run;
using Xunit;

namespace Hutch.Tests.Vmm.Run;

/// <summary>What the machine does when a disk's storage fails, when its guest is in trouble, and when a disk is to grow.</summary>
public sealed class StorageTests : IDisposable
{
    private readonly string _kernel = Path.GetTempFileName();
    private readonly TimerQueue _timers = new(new MonotonicClock());
    private readonly List<string> _said = [];
    private readonly FakeDisk _disk = new();
    private readonly Mailbox _mailbox = new();

    public StorageTests() => File.WriteAllBytes(_kernel, Images.BzImage());

    [Fact]
    public void A_held_request_pauses_the_machine_with_its_reason_until_it_is_resumed()
    {
        Run(driver =>
        {
            _disk.Trouble = "The disk disk0 cannot be written: full";
            ((IPlatformEvents)_mailbox).StorageFailed("The disk disk0 cannot be written: full.", pause: true);
            WaitFor(() => driver.State == VmState.Paused);
            Assert.Equal("The disk disk0 cannot be written: full.", driver.Reason);
            _disk.Trouble = null;
            Assert.Equal(VmReply.Completed, Ask(VmVerb.Resume));
            Assert.Equal((VmState.Running, null), (driver.State, driver.Reason));
        });
        Assert.Equal(["The disk disk0 cannot be written: full; the machine is paused: mend that, then 'hutch resume test' makes the request again."], _said);
    }

    [Fact]
    public void A_guest_in_trouble_pauses_its_machine_where_that_is_wanted()
    {
        Run(driver =>
        {
            ((IPlatformEvents)_mailbox).Alarm("The guest's kernel panicked", AlarmAction.None);
            ((IPlatformEvents)_mailbox).Alarm("The guest's kernel panicked again", AlarmAction.Pause);
            WaitFor(() => driver.State == VmState.Paused && driver.Reason is not null);
            Assert.Equal("The guest's kernel panicked again.", driver.Reason);
            Assert.Equal(VmReply.Completed, Ask(VmVerb.Resume));
            Assert.Equal((VmState.Running, null), (driver.State, driver.Reason));
        });
        Assert.Equal(["The guest's kernel panicked; the machine goes on.",
            "The guest's kernel panicked again; the machine is paused: 'hutch resume test' lets it go on, 'hutch reset test' starts it anew."], _said);
    }

    [Fact]
    public void A_request_that_went_through_meanwhile_leaves_the_machine_running()
    {
        Run(driver =>
        {
            ((IPlatformEvents)_mailbox).StorageFailed("The disk disk0 cannot be written: full.", pause: true);
            Assert.Equal(VmReply.Completed, Ask(VmVerb.Pause));
            Assert.Null(driver.Reason);
        });
        Assert.Empty(_said);
    }

    [Fact]
    public void A_failure_that_the_guest_sees_is_said_to_the_operator()
    {
        Run(driver =>
        {
            ((IPlatformEvents)_mailbox).StorageFailed("The disk disk0 cannot be read: bad; the guest gets an I/O error.", pause: false);
            Assert.Equal(VmReply.Completed, Ask(VmVerb.Resume));
            Assert.Equal(VmState.Running, driver.State);
        });
        Assert.Equal(["The disk disk0 cannot be read: bad; the guest gets an I/O error."], _said);
    }

    [Theory]
    [InlineData("disk0", "2000", 2048)]
    [InlineData("disk0", "+1", 1536)]
    public void A_disk_grows(string name, string size, long bytes)
    {
        Run(_ => Assert.Equal(VmReply.Completed, Ask(VmVerb.Resize, ("disk", name), ("size", size))));
        Assert.Equal(bytes, _disk.LengthBytes);
    }

    [Theory]
    [InlineData("disk7", "2000", "There is no disk 'disk7'; the machine has disk0.")]
    [InlineData("disk0", "100", "would lose what is behind 512")]
    [InlineData("disk0", "-100", "'-100' is no size")]
    [InlineData("disk0", "9223372036854775807", "no disk is so long")]
    [InlineData("disk0", "+9223372036854775000", "no disk is so long")]
    public void A_size_that_cannot_be_is_refused(string name, string size, string cause)
    {
        Run(_ => Assert.Contains(cause, Ask(VmVerb.Resize, ("disk", name), ("size", size)).Message, StringComparison.Ordinal));
        Assert.Equal(1024, _disk.LengthBytes);
    }

    public void Dispose()
    {
        _timers.Dispose();
        File.Delete(_kernel);
    }

    private void Run(Action<StateDriver> client)
    {
        MachineDefinition definition = new()
        {
            Name = "test", MemoryBytes = 32 << 20, Cpus = new CpuTopology(1, 1, 1), Cpu = CpuModel.Max, Engine = EngineChoice.Software,
            Boot = new KernelBoot(_kernel, null, "quiet"), Devices = [],
        };
        using TestMachine parts = new();
        parts.Services.Disks.Add(_disk);
        GuestMemory memory = GuestMemory.Create(definition.MemoryBytes);
        FakeMachine cpus = new(memory, 1, static (vcpu, _) => vcpu.WaitForStop());
        MachineExits exits = new(new AddressBus("port"), new AddressBus("address"), null, _mailbox);
        using Machine machine = new(memory, cpus, [], new BootPlan(definition.Boot), exits, _mailbox, new PausableTimers(_timers), parts.Services);
        StateDriver driver = new(machine, _mailbox, definition, say: _said.Add);
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                client(driver);
            }
            catch (Exception wrong)
            {
                failure = wrong;
            }
            _ = Ask(VmVerb.Quit);
        });
        thread.Start();
        driver.Run();
        thread.Join();
        if (failure is not null) throw failure;
    }

    private VmReply Ask(string verb, params (string Key, string Value)[] options)
    {
        Dictionary<string, string> named = [];
        foreach ((string key, string value) in options) named[key] = value;
        using ControlCall call = new(new VmRequest(verb, named));
        _mailbox.Post(new MachineRequest(RequestKind.Control, Call: call));
        return call.Wait();
    }

    private static void WaitFor(Func<bool> condition) => Assert.True(SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(20)));

    private sealed class FakeDisk : IDisk
    {
        public string Name => "disk0";

        public string? Trouble { get; set; }

        public long LengthBytes { get; private set; } = 1024;

        public void Grow(long lengthBytes) => LengthBytes = lengthBytes;
    }
}
