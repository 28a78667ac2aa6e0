using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Model.Control;

namespace Hutch.Dev.RpcFuzz;

/// <summary>Domains that are there and do whatever they are told, or refuse it.</summary>
internal sealed class FuzzDomains : IDomainDriver
{
    private static readonly VmDetails Details = new([new VcpuInfo(0, 1, "0-1", "other", 1.5), new VcpuInfo(1, 2, "1", "other", 0.5)], "0", "/", new MemoryInfo(0, false, false, 0, null)) { MostVcpus = 4 };

    internal static IReadOnlyList<Domain> All { get; } =
    [
        new("db", new Guid("00112233-4455-6677-8899-aabbccddeeff"), 7, DomainState.Paused, "The disk is full.", 1, 1 << 30, "software"),
        new("web", new Guid("10112233-4455-6677-8899-aabbccddeeff"), 8, DomainState.Running, null, 2, 1 << 30, "kvm"),
    ];

    public ValueTask<IReadOnlyList<Domain>> ListAsync(CallContext context) => ValueTask.FromResult(All);

    public ValueTask<Domain> FindAsync(CallContext context, string name) => Find(domain => domain.Name == name);

    public ValueTask<Domain> FindAsync(CallContext context, Guid uuid) => Find(domain => domain.Uuid == uuid);

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
