namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>What one connection may use of the daemon.</summary>
internal static class ClientLimits
{
    /// <summary>Calls of one connection that are being answered; what comes beyond waits in the socket.</summary>
    internal const int Calls = 16;

    /// <summary>The longest packet in bytes before CONNECT_OPEN: it has no need of a longer one.</summary>
    internal const int LongestBeforeOpen = 64 * 1024;

    /// <summary>File descriptors with one packet (VIR_NET_MESSAGE_NUM_FDS_MAX).</summary>
    internal const int Descriptors = 32;

    /// <summary>Connections at a time.</summary>
    internal const int Connections = 5000;
}
