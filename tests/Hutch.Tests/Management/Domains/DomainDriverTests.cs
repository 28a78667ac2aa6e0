using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Management.Events;
using Hutch.Model.Control;
using Hutch.Model.Domains;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Management.Domains;

/// <summary>Domains that are defined, started and ended; machines are not real.</summary>
public sealed class DomainDriverTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("hutch-domains-").FullName;
    private readonly FakeStarter _starter;
    private readonly DomainFolders _folders;
    private readonly List<string> _told = [];
    private DomainDriver _driver;

    public DomainDriverTests()
    {
        _folders = new DomainFolders(Path.Combine(_root, "state"), Path.Combine(_root, "run"), Path.Combine(_root, "machines"));
        Directory.CreateDirectory(_folders.Machines, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _starter = new FakeStarter(_folders.Machines);
        _driver = Driver();
    }

    public void Dispose()
    {
        _starter.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task A_domain_is_defined_started_paused_and_destroyed_and_whoever_listens_is_told_in_order()
    {
        Domain defined = await _driver.DefineAsync(default, Definition("demo"));
        Assert.Equal((DomainState.ShutOff, true, Domain.NoId), (defined.State, defined.IsPersistent, defined.Id));
        Domain started = await _driver.StartAsync(default, defined.Uuid, isPaused: false);
        Assert.Equal((DomainState.Running, DomainCause.Booted, Environment.ProcessId), (started.State, started.Cause, started.Id));
        await _driver.ActAsync(default, defined.Uuid, VmVerb.Pause);
        Assert.Equal(DomainState.Paused, (await _driver.FindAsync(default, "demo")).State);
        await _driver.ActAsync(default, defined.Uuid, VmVerb.Resume);
        await _driver.ActAsync(default, defined.Uuid, VmVerb.Quit);
        Domain ended = await _driver.FindAsync(default, defined.Uuid);
        Assert.Equal((DomainState.ShutOff, DomainCause.Asked), (ended.State, ended.Cause));
        await _driver.UndefineAsync(default, defined.Uuid, dropsVariables: false);
        Assert.Empty(await _driver.ListAsync(default));
        Assert.Equal(["Defined", "Resumed", "Started", "Suspended", "Resumed", "ShuttingDown", "Stopped by Asked", "Undefined"], _told);
    }

    [Fact]
    public async Task A_guest_that_switches_itself_off_and_a_process_that_is_killed_are_told_apart()
    {
        Domain domain = await _driver.DefineAsync(default, Definition("demo"));
        foreach ((string? why, string told) in ((string?, string)[])[(VmEvent.PoweredOff, "Stopped by Guest"), (null, "Stopped by Crashed"), (VmEvent.Failed, "Stopped by Crashed")])
        {
            await _driver.StartAsync(default, domain.Uuid, isPaused: false);
            TaskCompletionSource stopped = new();
            _told.Clear();
            using (_hub.Listen(what => Complete(what, stopped)))
            {
                _starter.Last.End(why);
                await stopped.Task;
            }
            Assert.Equal(told, _told[^1]);
            Assert.Empty(Directory.GetFiles(_folders.Running));
        }
    }

    [Fact]
    public async Task A_transient_domain_is_gone_when_it_ends_and_is_kept_when_it_is_defined_while_it_runs()
    {
        Domain transient = await _driver.CreateAsync(default, Definition("demo"), isPaused: true);
        Assert.Equal((DomainState.Paused, false), (transient.State, transient.IsPersistent));
        Assert.Equal(["Started", "Suspended"], _told);
        DomainDefinition other = (await _driver.DescribeAsync(default, transient.Uuid, isKept: false)) with { Title = "kept" };
        Assert.True((await _driver.DefineAsync(default, other)).IsPersistent);
        Assert.Null((await _driver.DescribeAsync(default, transient.Uuid, isKept: false)).Title);
        Assert.Equal("kept", (await _driver.DescribeAsync(default, transient.Uuid, isKept: true)).Title);
        // A domain that runs goes on without its definition, and then it is transient again.
        await _driver.UndefineAsync(default, transient.Uuid, dropsVariables: false);
        await _driver.ActAsync(default, transient.Uuid, VmVerb.Quit);
        Assert.Equal(FailureKind.NoDomain, (await Assert.ThrowsAsync<ManagementException>(async () => await _driver.FindAsync(default, "demo"))).Kind);
    }

    [Fact]
    public async Task Names_and_UUIDs_belong_together()
    {
        DomainDefinition demo = Definition("demo");
        await _driver.DefineAsync(default, demo);
        await Refused(FailureKind.Exists, "domain 'demo' already exists with uuid", async () => await _driver.DefineAsync(default, demo with { Uuid = Guid.NewGuid() }));
        await Refused(FailureKind.Exists, "domain 'demo' is already defined with uuid", async () => await _driver.DefineAsync(default, demo with { Name = "other" }));
        await _driver.StartAsync(default, demo.Uuid, isPaused: false);
        await Refused(FailureKind.WrongState, "domain is already running", async () => await _driver.StartAsync(default, demo.Uuid, isPaused: false));
        await Refused(FailureKind.WrongState, "domain is already active", async () => await _driver.CreateAsync(default, demo, isPaused: false));
        Assert.Single(await _driver.ListAsync(default));
    }

    [Fact]
    public async Task Another_daemon_finds_what_is_kept_and_what_runs_and_forgets_what_ended_meanwhile()
    {
        Domain kept = await _driver.DefineAsync(default, Definition("kept"));
        await _driver.SetAutostartAsync(default, kept.Uuid, isOn: true);
        Domain running = await _driver.CreateAsync(default, Definition("running"), isPaused: false);
        Domain ended = await _driver.CreateAsync(default, Definition("ended"), isPaused: false);
        byte[] before = File.ReadAllBytes(Path.Combine(_folders.Running, "ended.json"));
        await _driver.ActAsync(default, ended.Uuid, VmVerb.Quit);
        // As it is where the daemon was killed before the machine ended.
        File.WriteAllBytes(Path.Combine(_folders.Running, "ended.json"), before);

        _driver = Driver();
        await _driver.LoadAsync(default);

        IReadOnlyList<Domain> found = await _driver.ListAsync(default);
        Assert.Equal([("kept", DomainState.ShutOff, true), ("running", DomainState.Running, false)], found.Select(domain => (domain.Name, domain.State, domain.Autostart)));
        Assert.Equal(running.Uuid, found[1].Uuid);
        Assert.Equal(running.Name, (await _driver.DescribeAsync(default, running.Uuid, isKept: false)).Name);
        Assert.Equal(["running.json"], Directory.GetFiles(_folders.Running).Select(path => Path.GetFileName(path)));
        await _driver.AutostartAsync(default);
        Assert.Equal(DomainState.Running, (await _driver.FindAsync(default, "kept")).State);
        await _driver.ActAsync(default, running.Uuid, VmVerb.Quit);
        Assert.Equal("Stopped by Asked", _told[^1]);
    }

    [Fact]
    public async Task A_daemon_that_was_killed_while_it_started_a_machine_leaves_the_next_one_to_find_it()
    {
        Domain domain = await _driver.DefineAsync(default, Definition("demo"));
        await _driver.StartAsync(default, domain.Uuid, isPaused: false);
        string file = Path.Combine(_folders.Running, "demo.json");
        File.WriteAllText(file, File.ReadAllText(file).Replace($"\"process\":{Environment.ProcessId}", "\"process\":0", StringComparison.Ordinal));
        _driver = Driver();
        await _driver.LoadAsync(default);
        Domain found = Assert.Single(await _driver.ListAsync(default));
        Assert.Equal((domain.Uuid, DomainState.Running, Environment.ProcessId), (found.Uuid, found.State, found.Id));
    }

    [Fact]
    public async Task What_does_not_start_leaves_nothing()
    {
        Domain domain = await _driver.DefineAsync(default, Definition("demo"));
        _starter.Refusal = "The disk is not there.";
        await Refused(FailureKind.Refused, "The disk is not there.", async () => await _driver.StartAsync(default, domain.Uuid, isPaused: false));
        await Refused(FailureKind.Refused, "The disk is not there.", async () => await _driver.CreateAsync(default, Definition("other"), isPaused: false));
        Assert.Empty(Directory.GetFiles(_folders.Running));
        Assert.Equal(DomainState.ShutOff, Assert.Single(await _driver.ListAsync(default)).State);
        _starter.Refusal = null;
        await _driver.StartAsync(default, domain.Uuid, isPaused: false);
    }

    [Fact]
    public async Task A_machine_that_refuses_to_end_is_killed()
    {
        Domain domain = await _driver.CreateAsync(default, Definition("demo"), isPaused: false);
        _starter.Last.Refusal = "No.";
        await _driver.ActAsync(default, domain.Uuid, VmVerb.Quit);
        Assert.Empty(await _driver.ListAsync(default));
    }

    [Fact]
    public async Task The_machine_is_what_the_definition_says_and_terminals_are_known_while_it_runs()
    {
        DomainDefinition demo = Definition("demo") with
        {
            Vcpus = new DomainVcpus { Maximum = 4, Current = 2 },
            Devices = [new CharacterDevice { Kind = "serial", TargetType = "isa-serial", Port = 0, Alias = "serial0" }],
        };
        Domain domain = await _driver.CreateAsync(default, demo, isPaused: false);
        MachineDefinition machine = _starter.Started[^1].Definition;
        Assert.Equal(("demo", 256UL << 20, 4, 0b1100UL, EngineChoice.Software), (machine.Name, machine.MemoryBytes, machine.Cpus.VcpuCount, machine.AbsentVcpus, machine.Engine));
        Assert.Equal("/k", machine.Boot?.KernelPath);
        CharacterDevice serial = (await _driver.DescribeAsync(default, domain.Uuid, isKept: false)).Devices.OfType<CharacterDevice>().First(device => device.Kind == "serial");
        Assert.Equal("/dev/pts/77", serial.Source.Path);
    }

    private readonly EventHub _hub = new();

    private DomainDriver Driver()
    {
        EventHub hub = _hub;
        if (_told.Count == 0 && _driver is null) hub.Listen(what => _told.Add(Word((DomainEvent)what)));
        return new DomainDriver(_folders, _starter, hub, Assert.Fail);
    }

    private static string Word(DomainEvent what) => what.Change == DomainChange.Stopped ? $"{what.Change} by {what.Cause}" : $"{what.Change}";

    private static void Complete(ManagementEvent what, TaskCompletionSource stopped)
    {
        if (what is DomainEvent { Change: DomainChange.Stopped }) stopped.TrySetResult();
    }

    private static async Task Refused(FailureKind kind, string message, Func<Task> action)
    {
        ManagementException refused = await Assert.ThrowsAsync<ManagementException>(action);
        Assert.Equal(kind, refused.Kind);
        Assert.StartsWith(message, refused.Message, StringComparison.Ordinal);
    }

    private static DomainDefinition Definition(string name) => new()
    {
        Name = name,
        Uuid = Guid.NewGuid(),
        Memory = new DomainMemory { TotalKib = 256 << 10 },
        Os = new DomainOs { Kernel = "/k", Machine = "pc-q35-7.2", Arch = "x86_64" },
    };
}
