using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Management.Events;
using Hutch.Model.Control;
using Xunit;

namespace Hutch.Tests.Management.Domains;

/// <summary>Domains that are machines which somebody started beside the daemon.</summary>
public sealed class ForeignMachineTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("hutch-machines-").FullName;
    private readonly string _folder;
    private readonly FakeStarter _starter;
    private readonly DomainDriver _driver;

    public ForeignMachineTests()
    {
        _folder = Path.Combine(_root, "machines");
        Directory.CreateDirectory(_folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _starter = new FakeStarter(_folder);
        _driver = new DomainDriver(new DomainFolders(Path.Combine(_root, "state"), Path.Combine(_root, "run"), _folder), _starter, new EventHub(), Assert.Fail);
    }

    public void Dispose()
    {
        _starter.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task Machines_that_run_are_domains_and_what_is_left_of_others_is_not()
    {
        using FakeMachine web = new(_folder, "web"), db = new(_folder, "db") { State = VmState.Paused };
        new FakeMachine(_folder, "gone").Dispose();
        Directory.CreateDirectory(Path.Combine(_folder, "empty"));

        IReadOnlyList<Domain> domains = await _driver.ListAsync(default);

        Assert.Equal([("db", DomainState.Paused), ("web", DomainState.Running)], domains.Select(domain => (domain.Name, domain.State)));
        Assert.All(domains, domain => Assert.Equal((Environment.ProcessId, 2, 512UL << 20), (domain.Id, domain.Vcpus, domain.MemoryBytes)));
        Assert.NotEqual(domains[0].Uuid, domains[1].Uuid);
        Assert.Equal(8, domains[0].Uuid.Version);
        Assert.True(domains[0].CpuNanoseconds > 0);
    }

    [Fact]
    public async Task A_domain_is_found_by_name_and_uuid_and_does_what_it_is_told()
    {
        using FakeMachine web = new(_folder, "web");
        Domain domain = await _driver.FindAsync(default, "web");
        Assert.Equal(domain.Uuid, (await _driver.FindAsync(default, domain.Uuid)).Uuid);

        await _driver.ActAsync(default, domain.Uuid, VmVerb.Pause);
        await _driver.SetAsync(default, domain.Uuid, "vcpu-pin", "0=1");

        Assert.Equal(["pause", "set vcpu-pin=0=1"], web.Asked);
        Assert.Equal(DomainState.Paused, (await _driver.FindAsync(default, "web")).State);
        Assert.Equal(4, (await _driver.InspectAsync(default, domain.Uuid)).MostVcpus);
    }

    [Fact]
    public async Task What_cannot_be_done_says_why()
    {
        using FakeMachine web = new(_folder, "web") { Refusal = "The machine is being saved." };
        Guid uuid = (await _driver.FindAsync(default, "web")).Uuid;
        Assert.Equal(FailureKind.NoDomain, (await Assert.ThrowsAsync<ManagementException>(async () => await _driver.FindAsync(default, "absent"))).Kind);
        Assert.Equal(FailureKind.NoDomain, (await Assert.ThrowsAsync<ManagementException>(async () => await _driver.FindAsync(default, "../web"))).Kind);
        ManagementException refused = await Assert.ThrowsAsync<ManagementException>(async () => await _driver.ActAsync(default, uuid, VmVerb.Resume));
        Assert.Equal((FailureKind.Refused, "The machine is being saved."), (refused.Kind, refused.Message));
    }

    [Theory]
    [InlineData("{}\n")]
    [InlineData("not JSON\n")]
    [InlineData(null)]
    public async Task A_machine_that_answers_nonsense_is_no_domain(string? answer)
    {
        using FakeMachine odd = new(_folder, "odd") { Nonsense = answer is null ? new byte[100_000] : Encoding.UTF8.GetBytes(answer) };
        Assert.Empty(await _driver.ListAsync(default));
    }
}
