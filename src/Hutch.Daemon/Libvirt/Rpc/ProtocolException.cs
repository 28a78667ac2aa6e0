using System;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>A peer does not speak the protocol; its connection is closed. The message says what it sent.</summary>
internal sealed class ProtocolException(string message) : Exception(message);
