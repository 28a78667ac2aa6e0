using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Management.Domains;
using Hutch.Management.Events;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>All that this daemon answers.</summary>
internal static class DaemonProcedures
{
    /// <summary>Makes the table.</summary>
    /// <param name="domains">Domains of this host.</param>
    /// <param name="events">What happens to them.</param>
    /// <param name="uri">The daemon's name.</param>
    internal static ProcedureTable Create(IDomainDriver domains, EventHub events, string uri)
    {
        ProcedureTable table = new();
        ConnectionProcedures.AddTo(table, uri);
        HostProcedures.AddTo(table);
        DomainProcedures.AddTo(table, domains);
        DefinitionProcedures.AddTo(table, domains);
        PlacementProcedures.AddTo(table, domains);
        EventProcedures.AddTo(table, events);
        ConsoleProcedures.AddTo(table, domains);
        return table;
    }
}
