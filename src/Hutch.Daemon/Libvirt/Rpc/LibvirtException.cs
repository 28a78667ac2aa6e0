using System;
using Hutch.Daemon.Libvirt.Protocol;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>An answer that is an error: what a client prints and branches on.</summary>
/// <param name="code">What went wrong.</param>
/// <param name="domain">Who says so.</param>
/// <param name="message">For the user; begins as libvirt's messages of that code do.</param>
internal sealed class LibvirtException(ErrorCode code, ErrorDomain domain, string message) : Exception(message)
{
    internal ErrorCode Code => code;

    internal ErrorDomain Domain => domain;

    /// <summary>As it goes over the wire, with the fields that clients look at filled as libvirtd does.</summary>
    internal Error ToError()
    {
        const int LevelError = 2;
        return new Error((int)code, (int)domain, Message, LevelError, null, "%s", Message, null, -1, -1, null);
    }
}
