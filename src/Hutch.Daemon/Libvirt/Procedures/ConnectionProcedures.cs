using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Daemon.Libvirt.Xdr;

namespace Hutch.Daemon.Libvirt.Procedures;

/// <summary>What a client asks before anything else, and of the daemon itself.</summary>
internal static class ConnectionProcedures
{
    private const int AuthNone = 0;
    private const uint FlagReadOnly = 1;

    // libvirt's numbering: major * 1,000,000 + minor * 1,000 + release. Clients choose their defaults by it.
    private const ulong LibvirtVersion = 9_000_000, HypervisorVersion = 7_002_000;

    // Features of virDrvFeature that are answered with yes.
    private const int TypedParameterStrings = 9, ProgramKeepAlive = 10, EventCallbacks = 14, CloseCallback = 15;

    internal static void AddTo(ProcedureTable table, string uri)
    {
        // The kernel says who is at the other end of a UNIX socket.
        table.On(Protocol.Procedures.AuthList, (_, _) => new AuthListReply([AuthNone]));
        table.On(Protocol.Procedures.ConnectSupportsFeature, SupportsFeature);
        table.On(Protocol.Procedures.ConnectOpen, (call, arguments) => Open(call, arguments, uri));
        table.On(Protocol.Procedures.ConnectClose, Close);
        table.On(Protocol.Procedures.ConnectRegisterCloseCallback, (_, _) => default(Nothing));
        table.On(Protocol.Procedures.ConnectUnregisterCloseCallback, (_, _) => default(Nothing));
        table.On(Protocol.Procedures.ConnectGetType, (_, _) => new ConnectGetTypeReply("QEMU"));
        table.On(Protocol.Procedures.ConnectGetVersion, (_, _) => new ConnectGetVersionReply(HypervisorVersion));
        table.On(Protocol.Procedures.ConnectGetLibVersion, (_, _) => new ConnectGetLibVersionReply(LibvirtVersion));
        table.On(Protocol.Procedures.ConnectGetUri, (call, _) => new ConnectGetUriReply(call.Client.Uri!));
        table.On(Protocol.Procedures.ConnectGetHostname, (_, _) => new ConnectGetHostnameReply(System.Environment.MachineName));
        // Nothing leaves the host.
        table.On(Protocol.Procedures.ConnectIsSecure, (_, _) => new ConnectIsSecureReply(1));
    }

    private static ConnectSupportsFeatureReply SupportsFeature(Call call, ConnectSupportsFeatureArgs arguments)
    {
        if (arguments.Feature == ProgramKeepAlive) call.Client.WantsKeepAlive = true;
        return new ConnectSupportsFeatureReply(arguments.Feature is TypedParameterStrings or ProgramKeepAlive or EventCallbacks or CloseCallback ? 1 : 0);
    }

    private static Nothing Open(Call call, ConnectOpenArgs arguments, string uri)
    {
        if (arguments.Name is not (null or "" or "qemu:///system" or "qemu:///session"))
            throw new LibvirtException(ErrorCode.NoConnect, ErrorDomain.Remote, $"no connection driver available for {arguments.Name}");
        call.Client.Open(uri, (arguments.Flags & FlagReadOnly) != 0);
        return default;
    }

    private static Nothing Close(Call call, Nothing arguments)
    {
        call.Client.IsClosing = true;
        return arguments;
    }
}
