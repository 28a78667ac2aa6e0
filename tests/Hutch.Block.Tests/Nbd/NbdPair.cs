using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Nbd;
using Hutch.Host.Sockets;

namespace Hutch.Block.Tests.Nbd;

/// <summary>A server of ours on a UNIX socket in a folder of its own.</summary>
internal sealed class NbdPair : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly StreamListener _listener;
    private readonly Task _serving;

    internal NbdPair(NbdServerOptions options, params NbdExport[] exports)
    {
        Folder = Directory.CreateTempSubdirectory("hutch-nbd").FullName;
        Socket = Path.Combine(Folder, "s");
        _listener = StreamListener.OnUnix(Socket);
        Server = new NbdServer(exports, options);
        _serving = Server.RunAsync(_listener, null, _end.Token);
    }

    internal string Folder { get; }

    internal string Socket { get; }

    internal NbdServer Server { get; }

    internal static NbdPair Of(BlockNode node, bool readOnly = false) => new(new NbdServerOptions(), new NbdExport { Name = "", Node = node, ReadOnly = readOnly });

    internal string Uri(string export = "", string scheme = "nbd+unix") => $"{scheme}:///{export}?socket={Socket}";

    internal NbdClientOptions Client(string export = "") => new() { Address = NbdAddress.Parse(Uri(export)) };

    internal Task<BlockNode> ConnectAsync(string export = "") => NbdNode.OpenAsync(Client(export), default).AsTask();

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _serving;
        _listener.Dispose();
        _end.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
