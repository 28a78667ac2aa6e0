using System;
using System.Globalization;

namespace Hutch.Host.Networks;

/// <summary>Reads libslirp's table of connections: <c>TCP[HOST_FORWARD]   3   127.0.0.1 41667   10.0.2.15    22     0     0</c>.</summary>
internal static class SlirpConnections
{
    /// <summary>The host's port of the newest forwarding to a port of the network, which the table has first; 0 where there is none.</summary>
    internal static int LastForwarded(string table, bool isUdp, int guestPort)
    {
        string kind = isUdp ? "UDP[HOST_FORWARD]" : "TCP[HOST_FORWARD]";
        foreach (string line in table.Split('\n'))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length < 6 || fields[0] != kind) continue;
            if (fields[5] == guestPort.ToString(CultureInfo.InvariantCulture)
                && int.TryParse(fields[3], NumberStyles.None, CultureInfo.InvariantCulture, out int port)) return port;
        }
        return 0;
    }
}
