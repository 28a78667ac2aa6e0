using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Model.Control;
using Hutch.Model.Domains;

namespace Hutch.Dev.RpcFuzz;

/// <summary>Domains that are there and do whatever they are told, or refuse it.</summary>
internal sealed class FuzzDomains : IDomainDriver
{
    private static readonly VmDetails Details = new([new VcpuInfo(0, 1, "0-1", "other", 1.5), new VcpuInfo(1, 2, "1", "other", 0.5)], "0", "/", new MemoryInfo(0, false, false, 0, null)) { MostVcpus = 4 };

    internal static IReadOnlyList<Domain> All { get; } =
    [
        new("db", new Guid("00112233-4455-6677-8899-aabbccddeeff"), DomainState.Paused) { Id = 7, Cause = DomainCause.StorageFailed, Reason = "The disk is full.", Vcpus = 1, MostVcpus = 4, MemoryBytes = 1 << 30, IsPersistent = true },
        new("web", new Guid("10112233-4455-6677-8899-aabbccddeeff"), DomainState.Running) { Id = 8, Vcpus = 2, MostVcpus = 4, MemoryBytes = 1 << 30 },
        new("off", new Guid("20112233-4455-6677-8899-aabbccddeeff"), DomainState.ShutOff) { Vcpus = 2, MostVcpus = 2, MemoryBytes = 1 << 30, IsPersistent = true },
    ];

    public ValueTask<IReadOnlyList<Domain>> ListAsync(CallContext context) => ValueTask.FromResult(All);

    public ValueTask<Domain> FindAsync(CallContext context, string name) => Find(domain => domain.Name == name);

    public ValueTask<Domain> FindAsync(CallContext context, Guid uuid) => Find(domain => domain.Uuid == uuid);

    public async ValueTask<DomainDefinition> DescribeAsync(CallContext context, Guid uuid, bool isKept)
    {
        Domain domain = await FindAsync(context, uuid);
        return new DomainDefinition { Name = domain.Name, Uuid = uuid, Vcpus = new DomainVcpus { Maximum = domain.MostVcpus }, Devices = [new CharacterDevice { Alias = "serial0", Source = new CharacterSource { Path = "/dev/null" } }] };
    }

    public async ValueTask<Domain> DefineAsync(CallContext context, DomainDefinition definition)
    {
        await Task.Yield();
        return new Domain(definition.Name, definition.Uuid, DomainState.ShutOff) { IsPersistent = true };
    }

    public ValueTask<Domain> CreateAsync(CallContext context, DomainDefinition definition, bool isPaused) => DefineAsync(context, definition);

    public ValueTask<Domain> StartAsync(CallContext context, Guid uuid, bool isPaused) => FindAsync(context, uuid);

    public async ValueTask UndefineAsync(CallContext context, Guid uuid, bool dropsVariables) => await FindAsync(context, uuid);

    public async ValueTask SetAutostartAsync(CallContext context, Guid uuid, bool isOn) => await FindAsync(context, uuid);

    public async ValueTask<VmDetails> InspectAsync(CallContext context, Guid uuid)
    {
        await FindAsync(context, uuid);
        return Details;
    }

    public async ValueTask ActAsync(CallContext context, Guid uuid, string verb)
    {
        // One of them answers later, on another thread.
        if ((await FindAsync(context, uuid)).Name == "db") throw new ManagementException(FailureKind.Refused, "Its disk is full.");
        await Task.Yield();
    }

    public ValueTask SetAsync(CallContext context, Guid uuid, string option, string value) => ActAsync(context, uuid, option);

    private static ValueTask<Domain> Find(Func<Domain, bool> isWanted) =>
        ValueTask.FromResult(All.FirstOrDefault(isWanted) ?? throw new ManagementException(FailureKind.NoDomain, "There is none."));
}
