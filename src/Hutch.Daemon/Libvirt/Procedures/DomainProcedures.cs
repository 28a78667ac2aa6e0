using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Daemon.Libvirt.Xdr;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Model.Control;
using Domain = Hutch.Management.Domains.Domain;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>Finding domains, asking what they do, and having them do something else.</summary>
internal static class DomainProcedures
{
    private const ulong BytesOfKibibyte = 1024;

    internal static void AddTo(ProcedureTable table, IDomainDriver domains)
    {
        AddLists(table, domains);
        AddQuestions(table, domains);
        AddVerbs(table, domains);
    }

    /// <summary>On whose behalf a call is.</summary>
    internal static CallContext ContextOf(Call call) => new(call.Client.Identity.User, call.Cancellation);

    private static void AddLists(ProcedureTable table, IDomainDriver domains)
    {
        table.OnAsync(Protocol.Procedures.ConnectListAllDomains, async (call, arguments) =>
        {
            Protocol.Domain[] found = [.. (await domains.ListAsync(ContextOf(call)).ConfigureAwait(false)).Where(domain => DomainFilter.Passes(domain, arguments.Flags)).Select(Name)];
            return new ConnectListAllDomainsReply(arguments.NeedResults != 0 ? found : [], (uint)found.Length);
        });
        table.OnAsync(Protocol.Procedures.ConnectNumOfDomains, async (call, _) => new ConnectNumOfDomainsReply((await ActiveAsync(domains, call).ConfigureAwait(false)).Count));
        table.OnAsync(Protocol.Procedures.ConnectListDomains, async (call, arguments) =>
            new ConnectListDomainsReply([.. (await ActiveAsync(domains, call).ConfigureAwait(false)).Select(domain => domain.Id).Take(Math.Max(0, arguments.Maxids))]));
        table.OnAsync(Protocol.Procedures.DomainLookupByName, async (call, arguments) => new DomainLookupByNameReply(Name(await domains.FindAsync(ContextOf(call), arguments.Name).ConfigureAwait(false))));
        table.OnAsync(Protocol.Procedures.DomainLookupByUuid, async (call, arguments) => new DomainLookupByUuidReply(Name(await domains.FindAsync(ContextOf(call), arguments.Uuid).ConfigureAwait(false))));
        table.OnAsync(Protocol.Procedures.DomainLookupById, async (call, arguments) =>
        {
            List<Domain> all = await ActiveAsync(domains, call).ConfigureAwait(false);
            return new DomainLookupByIdReply(Name(all.FirstOrDefault(domain => domain.Id == arguments.Id)
                ?? throw new ManagementException(FailureKind.NoDomain, $"no domain with matching id {arguments.Id}")));
        });
    }

    private static async ValueTask<List<Domain>> ActiveAsync(IDomainDriver domains, Call call) =>
        [.. (await domains.ListAsync(ContextOf(call)).ConfigureAwait(false)).Where(static domain => domain.IsActive)];

    private static void AddQuestions(ProcedureTable table, IDomainDriver domains)
    {
        Ask(table, domains, Protocol.Procedures.DomainGetState, arguments => arguments.Dom, domain =>
        {
            (int state, int reason) = DomainStates.Of(domain);
            return new DomainGetStateReply(state, reason);
        });
        Ask(table, domains, Protocol.Procedures.DomainGetInfo, arguments => arguments.Dom, domain =>
            new DomainGetInfoReply((byte)DomainStates.Of(domain).State, domain.MostMemoryBytes / BytesOfKibibyte, domain.MemoryBytes / BytesOfKibibyte, (uint)domain.Vcpus, domain.CpuNanoseconds));
        Ask(table, domains, Protocol.Procedures.DomainGetMaxMemory, arguments => arguments.Dom, domain => new DomainGetMaxMemoryReply(domain.MostMemoryBytes / BytesOfKibibyte));
        Ask(table, domains, Protocol.Procedures.DomainGetOsType, arguments => arguments.Dom, _ => new DomainGetOsTypeReply("hvm"));
        Ask(table, domains, Protocol.Procedures.DomainIsActive, arguments => arguments.Dom, domain => new DomainIsActiveReply(domain.IsActive ? 1 : 0));
        Ask(table, domains, Protocol.Procedures.DomainIsPersistent, arguments => arguments.Dom, domain => new DomainIsPersistentReply(domain.IsPersistent ? 1 : 0));
        Ask(table, domains, Protocol.Procedures.DomainIsUpdated, arguments => arguments.Dom, _ => new DomainIsUpdatedReply(0));
        Ask(table, domains, Protocol.Procedures.DomainGetAutostart, arguments => arguments.Dom, domain => new DomainGetAutostartReply(domain.Autostart ? 1 : 0));
        Ask(table, domains, Protocol.Procedures.DomainHasManagedSaveImage, arguments => arguments.Dom, _ => new DomainHasManagedSaveImageReply(0));
        Ask(table, domains, Protocol.Procedures.DomainSnapshotNum, arguments => arguments.Dom, _ => new DomainSnapshotNumReply(0));
    }

    private static void AddVerbs(ProcedureTable table, IDomainDriver domains)
    {
        Do(table, domains, Protocol.Procedures.DomainSuspend, arguments => arguments.Dom, VmVerb.Pause);
        Do(table, domains, Protocol.Procedures.DomainResume, arguments => arguments.Dom, VmVerb.Resume);
        Do(table, domains, Protocol.Procedures.DomainShutdown, arguments => arguments.Dom, VmVerb.PowerDown);
        Do(table, domains, Protocol.Procedures.DomainReset, arguments => arguments.Dom, VmVerb.Reset);
        Do(table, domains, Protocol.Procedures.DomainShutdownFlags, arguments => arguments.Dom, VmVerb.PowerDown);
        Do(table, domains, Protocol.Procedures.DomainDestroy, arguments => arguments.Dom, VmVerb.Quit);
        Do(table, domains, Protocol.Procedures.DomainDestroyFlags, arguments => arguments.Dom, VmVerb.Quit);
    }

    private static void Ask<TArgs, TReply>(ProcedureTable table, IDomainDriver domains, Procedure<TArgs, TReply> procedure, Func<TArgs, Protocol.Domain> of, Func<Domain, TReply> answer)
        where TArgs : struct, IXdr<TArgs>
        where TReply : struct, IXdr<TReply> =>
        table.OnAsync(procedure, async (call, arguments) => answer(await domains.FindAsync(ContextOf(call), of(arguments).Uuid).ConfigureAwait(false)));

    private static void Do<TArgs>(ProcedureTable table, IDomainDriver domains, Procedure<TArgs, Nothing> procedure, Func<TArgs, Protocol.Domain> of, string verb)
        where TArgs : struct, IXdr<TArgs> =>
        table.OnAsync(procedure, async (call, arguments) =>
        {
            await domains.ActAsync(ContextOf(call), of(arguments).Uuid, verb).ConfigureAwait(false);
            return default;
        });

    /// <summary>A domain as the wire names it.</summary>
    internal static Protocol.Domain Name(Domain domain) => new(domain.Name, domain.Uuid, domain.Id);
}
