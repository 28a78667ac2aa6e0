using System;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Management.Events;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>Who wants to be told what happens to domains. An event goes to each callback that asked for it.</summary>
internal static class EventProcedures
{
    // virDomainEventID. Clients register all that they know, also those that never happen here.
    private const int Lifecycle = 0, Reboot = 1, Last = 26;

    internal static void AddTo(ProcedureTable table, EventHub events)
    {
        table.On(Protocol.Procedures.ConnectDomainEventCallbackRegisterAny, (call, arguments) => new ConnectDomainEventCallbackRegisterAnyReply(Register(call.Client, events, arguments)));
        table.On(Protocol.Procedures.ConnectDomainEventCallbackDeregisterAny, (call, arguments) =>
        {
            call.Client.Subscriptions.Remove(arguments.CallbackID);
            return default;
        });
    }

    private static int Register(Client client, EventHub events, ConnectDomainEventCallbackRegisterAnyArgs arguments)
    {
        if (arguments.EventID is < Lifecycle or > Last) throw new LibvirtException(ErrorCode.InternalError, ErrorDomain.Rpc, $"internal error: unexpected domain event id {arguments.EventID}");
        Guid? wanted = arguments.Dom?.Uuid;
        return client.Subscriptions.Add(number => events.Listen(what =>
        {
            if (what is DomainEvent happened && (wanted is null || wanted == happened.Uuid)) Tell(client, number, arguments.EventID, happened);
        }));
    }

    private static void Tell(Client client, int callback, int kind, DomainEvent happened)
    {
        Protocol.Domain domain = new(happened.Name, happened.Uuid, happened.Id);
        if (kind == Lifecycle && DomainStates.LifecycleOf(happened) is { } lifecycle)
            client.Send(Protocol.Events.DomainEventCallbackLifecycle, new DomainEventCallbackLifecycleBody(callback, new DomainEventLifecycleMsg(domain, lifecycle.Event, lifecycle.Detail)));
        else if (kind == Reboot && happened.Change == DomainChange.Rebooted)
            client.Send(Protocol.Events.DomainEventCallbackReboot, new DomainEventCallbackRebootBody(callback, new DomainEventRebootMsg(domain)));
    }
}
