using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Text;
using Hutch.Host.Sockets;

namespace Hutch.Cli.Debian;

/// <summary>How the user gets into a machine by ssh: public keys that root accepts, and a port of this host that leads there.</summary>
internal static class SshAccess
{
    private const string Loopback = "127.0.0.1";
    private const int FirstPort = 2222, PortsTried = 100;

    /// <summary>The user's public keys, a line each; empty when there are none.</summary>
    /// <param name="home">The user's home.</param>
    internal static string Keys(string home)
    {
        List<string> keys = [];
        string folder = Path.Combine(home, ".ssh");
        if (home.Length == 0 || !Directory.Exists(folder)) return "";
        string[] files = Directory.GetFiles(folder, "id_*.pub");
        Array.Sort(files, StringComparer.Ordinal);
        foreach (string file in files)
        {
            try
            {
                string key = File.ReadAllText(file).Trim();
                if (key.Length != 0) keys.Add(key);
            }
            catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
            {
                // A key that cannot be read opens nothing; the others may.
            }
        }
        return string.Join('\n', keys);
    }

    /// <summary>The keys as a credential of systemd (systemd.system-credentials(7)), for an OEM string.</summary>
    internal static string Credential(string keys) => $"io.systemd.credential.binary:ssh.authorized_keys.root={Convert.ToBase64String(Encoding.UTF8.GetBytes(keys + "\n"))}";

    /// <summary>A port of the loopback address that nobody listens on now: one that is easy to remember where possible.</summary>
    internal static int FreePort()
    {
        for (int port = FirstPort; port < FirstPort + PortsTried; port++)
            if (TryListen(port) is int free) return free;
        return TryListen(0) ?? FirstPort;
    }

    /// <summary>The value of <c>--net</c> that leads the port to the machine's ssh server.</summary>
    internal static string Network(int port) => $"user,hostfwd=tcp:{Loopback}:{port}-:22";

    /// <summary>What the user types. Machines come and go at this address, so that there is no host key to remember.</summary>
    internal static string Command(int port) => $"ssh -p {port} -o NoHostAuthenticationForLocalhost=yes root@{Loopback}";

    private static int? TryListen(int port)
    {
        try
        {
            using StreamListener listener = StreamListener.OnTcp(Loopback, port);
            return listener.Port;
        }
        catch (SocketException)
        {
            return null;
        }
    }
}
