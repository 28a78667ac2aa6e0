using System;
using System.Globalization;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block.Nbd;

/// <summary>Opens exports by name and by the options that QEMU's nbd driver has.</summary>
internal static class NbdOpening
{
    /// <summary>Whether a name's protocol, what stands before its colon, is one of ours.</summary>
    internal static bool IsProtocol(string protocol) => protocol is "nbd" or "nbd+tcp" or "nbd+unix" or "nbds" or "nbds+tcp" or "nbds+unix";

    /// <summary>Connects. Throws <see cref="ImageException"/> for options that make no sense and <see cref="DiskOpenException"/> where the server refuses.</summary>
    /// <param name="name">A name as <see cref="NbdAddress.Parse"/> reads it; empty where options say everything.</param>
    /// <param name="take">Takes an option by its dotted name (<c>server.path</c>); null where it is not given.</param>
    /// <param name="readOnly">Nothing is written.</param>
    /// <param name="findTlsFolder">The folder of the TLS credentials of an id; null where there are none of that id.</param>
    /// <param name="cancellation">Gives up.</param>
    internal static ValueTask<BlockNode> OpenAsync(string name, Func<string, string?> take, bool readOnly, Func<string, string?>? findTlsFolder, CancellationToken cancellation)
    {
        NbdAddress address = name.Length != 0 ? NbdAddress.Parse(name) : FromOptions(take);
        NbdTls? tls = null;
        string? hostName = take("tls-hostname");
        if (take("tls-creds") is string id)
            tls = new NbdTls { Folder = findTlsFolder?.Invoke(id) ?? throw new ImageException($"No TLS credentials with id '{id}'"), HostName = hostName };
        else if (address.Tls)
            throw new ImageException("TLS needs credentials", "Name them with tls-creds=ID and --object tls-creds-x509,id=ID,endpoint=client,dir=FOLDER.");
        NbdClientOptions options = new()
        {
            Address = tls is null ? address : address with { Tls = true },
            Tls = tls,
            ReadOnly = readOnly,
            Context = take("x-dirty-bitmap"),
            ReconnectDelay = Seconds(take, "reconnect-delay"),
        };
        TimeSpan patience = Seconds(take, "open-timeout");
        return NbdNode.OpenAsync(patience == TimeSpan.Zero ? options : options with { OpenTimeout = patience }, cancellation);
    }

    private static NbdAddress FromOptions(Func<string, string?> take)
    {
        // The short forms are older.
        string? path = take("server.path") ?? take("path"), host = take("server.host") ?? take("host"), port = take("server.port") ?? take("port");
        string? type = take("server.type");
        NbdAddress address = new() { Export = take("export") ?? "" };
        if (type is not (null or "unix" or "inet")) throw new ImageException($"Parameter 'server.type' does not accept value '{type}'");
        if (path is not null && host is not null) throw new ImageException("path and host may not be used at the same time");
        if (path is not null && type != "inet") return address with { UnixPath = path };
        if (host is null) throw new ImageException("NBD server address missing");
        if (port is null) return address with { Host = host };
        if (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number is < 1 or > 65535) throw new ImageException($"Parameter 'port' does not accept value '{port}'");
        return address with { Host = host, Port = number };
    }

    private static TimeSpan Seconds(Func<string, string?> take, string option)
    {
        if (take(option) is not string text) return TimeSpan.Zero;
        return uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out uint seconds) && seconds <= int.MaxValue / 1000
            ? TimeSpan.FromSeconds(seconds)
            : throw new ImageException($"Parameter '{option}' expects a number of seconds");
    }
}
