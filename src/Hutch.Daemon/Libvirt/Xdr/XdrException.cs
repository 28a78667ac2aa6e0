using System;

namespace Hutch.Daemon.Libvirt.Xdr;

/// <summary>What a peer sent is not what its type says: too short, or longer than the protocol allows.</summary>
internal sealed class XdrException(string message) : Exception(message);
