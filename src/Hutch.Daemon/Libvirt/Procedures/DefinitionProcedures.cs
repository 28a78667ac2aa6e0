using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Daemon.Libvirt.Xml;
using Hutch.Management;
using Hutch.Management.Domains;
using Domain = Hutch.Management.Domains.Domain;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>Defining domains, starting them, and their documents.</summary>
internal static class DefinitionProcedures
{
    // virDomainXMLFlags, virDomainCreateFlags, virDomainUndefineFlagsValues.
    private const uint XmlSecure = 1, XmlInactive = 2, XmlMigratable = 8;
    private const uint StartPaused = 1, StartValidate = 16;
    private const uint UndefineManagedSave = 1, UndefineSnapshots = 2, UndefineVariables = 4, KeepVariables = 8, UndefineCheckpoints = 16;

    internal static void AddTo(ProcedureTable table, IDomainDriver domains)
    {
        AddDocuments(table, domains);
        AddStarts(table, domains);
        table.OnAsync(Protocol.Procedures.DomainUndefine, (call, arguments) => UndefineAsync(domains, call, arguments.Dom, 0));
        table.OnAsync(Protocol.Procedures.DomainUndefineFlags, (call, arguments) => UndefineAsync(domains, call, arguments.Dom, arguments.Flags));
        table.OnAsync(Protocol.Procedures.DomainSetAutostart, async (call, arguments) =>
        {
            await domains.SetAutostartAsync(DomainProcedures.ContextOf(call), arguments.Dom.Uuid, arguments.Autostart != 0).ConfigureAwait(false);
            return default;
        });
        table.OnAsync(Protocol.Procedures.ConnectNumOfDefinedDomains, async (call, _) => new ConnectNumOfDefinedDomainsReply((await InactiveAsync(domains, call).ConfigureAwait(false)).Count));
        table.OnAsync(Protocol.Procedures.ConnectListDefinedDomains, async (call, arguments) =>
            new ConnectListDefinedDomainsReply([.. (await InactiveAsync(domains, call).ConfigureAwait(false)).Take(System.Math.Max(0, arguments.Maxnames))]));
    }

    private static void AddDocuments(ProcedureTable table, IDomainDriver domains)
    {
        table.OnAsync(Protocol.Procedures.DomainGetXmlDesc, async (call, arguments) => new DomainGetXmlDescReply(await DescribeAsync(domains, call, arguments.Dom, arguments.Flags).ConfigureAwait(false)));
        table.OnAsync(Protocol.Procedures.DomainDefineXml, async (call, arguments) =>
            new DomainDefineXmlReply(DomainProcedures.Name(await domains.DefineAsync(DomainProcedures.ContextOf(call), DomainXml.Read(arguments.Xml)).ConfigureAwait(false))));
        // What the flag asks for, that what is not known be refused, is done always.
        table.OnAsync(Protocol.Procedures.DomainDefineXmlFlags, async (call, arguments) =>
            new DomainDefineXmlFlagsReply(DomainProcedures.Name(await domains.DefineAsync(DomainProcedures.ContextOf(call), DomainXml.Read(arguments.Xml)).ConfigureAwait(false))));
    }

    private static void AddStarts(ProcedureTable table, IDomainDriver domains)
    {
        table.OnAsync(Protocol.Procedures.DomainCreate, async (call, arguments) =>
        {
            await domains.StartAsync(DomainProcedures.ContextOf(call), arguments.Dom.Uuid, isPaused: false).ConfigureAwait(false);
            return default;
        });
        table.OnAsync(Protocol.Procedures.DomainCreateWithFlags, async (call, arguments) =>
        {
            Check(arguments.Flags, StartPaused | StartValidate);
            return new DomainCreateWithFlagsReply(DomainProcedures.Name(await domains.StartAsync(DomainProcedures.ContextOf(call), arguments.Dom.Uuid, (arguments.Flags & StartPaused) != 0).ConfigureAwait(false)));
        });
        table.OnAsync(Protocol.Procedures.DomainCreateXml, async (call, arguments) =>
        {
            Check(arguments.Flags, StartPaused | StartValidate);
            return new DomainCreateXmlReply(DomainProcedures.Name(await domains.CreateAsync(DomainProcedures.ContextOf(call), DomainXml.Read(arguments.XmlDesc), (arguments.Flags & StartPaused) != 0).ConfigureAwait(false)));
        });
    }

    private static async ValueTask<string> DescribeAsync(IDomainDriver domains, Call call, Protocol.Domain asked, uint flags)
    {
        bool isSecure = (flags & XmlSecure) != 0, isInactive = (flags & XmlInactive) != 0;
        if (isSecure && call.Client.IsReadOnly) throw new LibvirtException(ErrorCode.OperationDenied, ErrorDomain.Remote, "operation forbidden: virDomainGetXMLDesc with secure flag");
        CallContext context = DomainProcedures.ContextOf(call);
        Domain domain = await domains.FindAsync(context, asked.Uuid).ConfigureAwait(false);
        bool isKept = isInactive || !domain.IsActive;
        return DomainXml.Write(await domains.DescribeAsync(context, asked.Uuid, isKept).ConfigureAwait(false), new DomainXmlOptions
        {
            Id = isKept ? null : domain.Id, IsInactive = isKept, IsSecure = isSecure, IsMigratable = (flags & XmlMigratable) != 0,
        });
    }

    private static async ValueTask<Xdr.Nothing> UndefineAsync(IDomainDriver domains, Call call, Protocol.Domain domain, uint flags)
    {
        Check(flags, UndefineManagedSave | UndefineSnapshots | UndefineVariables | KeepVariables | UndefineCheckpoints);
        await domains.UndefineAsync(DomainProcedures.ContextOf(call), domain.Uuid, (flags & UndefineVariables) != 0).ConfigureAwait(false);
        return default;
    }

    private static async ValueTask<List<string>> InactiveAsync(IDomainDriver domains, Call call) =>
        [.. (await domains.ListAsync(DomainProcedures.ContextOf(call)).ConfigureAwait(false)).Where(static domain => !domain.IsActive).Select(static domain => domain.Name)];

    // Clients that ask for more than there is ask again without.
    private static void Check(uint flags, uint known)
    {
        if ((flags & ~known) != 0) throw new LibvirtException(ErrorCode.InvalidArgument, ErrorDomain.Qemu, $"unsupported flags (0x{flags & ~known:x})");
    }
}
