using System;
using Hutch.Daemon.Libvirt.Protocol;
using Hutch.Daemon.Libvirt.Xdr;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>Who is at the other end of a connection, and what it has agreed upon. Procedures see this; the connection owns it.</summary>
/// <param name="identity">Who it is.</param>
/// <param name="isReadOnly">It came over a socket that lets nobody change anything.</param>
/// <param name="post">Sends a packet that nobody asked for.</param>
internal sealed class Client(ClientIdentity identity, bool isReadOnly, Action<byte[]> post)
{
    /// <summary>libvirtd's messages carry this serial number.</summary>
    private const uint MessageSerial = 1;

    internal ClientIdentity Identity => identity;

    /// <summary>Whether it may only look.</summary>
    internal bool IsReadOnly { get; private set; } = isReadOnly;

    /// <summary>The URI that it opened; null before CONNECT_OPEN.</summary>
    internal string? Uri { get; private set; }

    /// <summary>What it wants to be told of.</summary>
    internal Subscriptions Subscriptions { get; } = new();

    /// <summary>Whether it wants to be asked if it lives.</summary>
    internal bool WantsKeepAlive { get; set; }

    /// <summary>Whether it has said that it will close.</summary>
    internal bool IsClosing { get; set; }

    /// <summary>Opens it. Throws <see cref="LibvirtException"/> where it is open already.</summary>
    internal void Open(string uri, bool isReadOnly)
    {
        if (Uri is not null) throw new LibvirtException(ErrorCode.InternalError, ErrorDomain.Rpc, "internal error: the connection is open already");
        (Uri, IsReadOnly) = (uri, IsReadOnly || isReadOnly);
    }

    /// <summary>Sends an event. Any thread.</summary>
    internal void Send<TBody>(Event<TBody> kind, TBody body)
        where TBody : struct, IXdr<TBody>
    {
        XdrWriter xdr = new();
        body.Write(xdr);
        post(new PacketHeader(kind.Program, PacketHeader.CurrentVersion, kind.Number, PacketType.Message, MessageSerial, PacketStatus.Ok).Frame(xdr.Written));
    }
}

/// <summary>Who a client is, as the kernel recorded it when the connection was made.</summary>
/// <param name="User">User id.</param>
/// <param name="ProcessId">Process; 0 where it is not known.</param>
internal readonly record struct ClientIdentity(uint User, int ProcessId);
