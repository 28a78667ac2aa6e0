using System;
using System.Collections.Concurrent;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>A machine without a disk: iPXE, in the network card's ROM, gets an address and a script, and by it a kernel over HTTP.</summary>
public sealed class NetworkBootTests
{
    private const string Script = "#!ipxe\nkernel kernel console=ttyS0 netboot=yes\ninitrd initrd\nboot\n";
    private const int PatienceSeconds = 600;

    [NetworkBootTheory("pxe-virtio.rom")]
    [InlineData("virtio")]
    public Task A_kernel_comes_over_http(string model) => Boot(model);

    [NetworkBootTheory("pxe-e1000.rom")]
    [InlineData("e1000")]
    public Task A_kernel_comes_over_http_by_an_emulated_card(string model) => Boot(model);

    private static async Task Boot(string model)
    {
        // What is served is the tiny guest's, which is made where there is none.
        await using (Vm first = await Vm.Boot("--net", "none")) Assert.Equal(0, await first.PowerOff());
        string guest = Directory.GetDirectories(Launcher.Cache, "tiny-*").MaxBy(Directory.GetLastWriteTimeUtc)!;
        using WebServer server = new(path => path switch
        {
            "/boot.ipxe" => Encoding.ASCII.GetBytes(Script),
            "/kernel" => File.ReadAllBytes(Path.Combine(guest, "vmlinuz")),
            "/initrd" => File.ReadAllBytes(Path.Combine(guest, "initrd")),
            _ => null,
        });
        await using Vm vm = Vm.Start("--boot", "order=n", "--net", $"user,model={model},bootfile=http://10.0.2.2:{server.Port}/boot.ipxe");
        await vm.WaitFor("iPXE", PatienceSeconds);
        await vm.WaitFor(Vm.Greeting, PatienceSeconds);
        await vm.WaitFor("~ # ");
        Assert.Contains("netboot=yes", await vm.Shell("cat /proc/cmdline"), StringComparison.Ordinal);
        Assert.Equal(["/boot.ipxe", "/kernel", "/initrd"], server.Asked);
        Assert.Equal(0, await vm.PowerOff());
    }

    /// <summary>Answers GET, one connection at a time.</summary>
    private sealed class WebServer : IDisposable
    {
        private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
        private readonly ConcurrentQueue<string> _asked = [];

        internal WebServer(Func<string, byte[]?> content)
        {
            _listener.Start();
            _ = Serve(content);
        }

        internal int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        /// <summary>The paths, in the order in which they were asked for.</summary>
        internal string[] Asked => [.. _asked];

        public void Dispose() => _listener.Dispose();

        private async Task Serve(Func<string, byte[]?> content)
        {
            while (true)
            {
                using TcpClient client = await _listener.AcceptTcpClientAsync();
                await using NetworkStream stream = client.GetStream();
                using StreamReader reader = new(stream, Encoding.ASCII);
                string[] request = (await reader.ReadLineAsync() ?? "").Split(' ');
                while (await reader.ReadLineAsync() is { Length: > 0 }) { }
                if (request.Length < 2) continue;
                _asked.Enqueue(request[1]);
                byte[]? body = content(request[1]);
                string head = $"HTTP/1.1 {(body is null ? "404 Not Found" : "200 OK")}\r\nContent-Length: {body?.Length ?? 0}\r\nConnection: close\r\n\r\n";
                await stream.WriteAsync(Encoding.ASCII.GetBytes(head));
                if (body is not null) await stream.WriteAsync(body);
            }
        }
    }
}

/// <summary>A test that boots from the network by an image of iPXE.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class NetworkBootTheoryAttribute : TheoryAttribute
{
    public NetworkBootTheoryAttribute(string rom) => Skip = SlirpTheoryAttribute.Missing
        ?? (File.Exists($"/usr/lib/ipxe/qemu/{rom}") ? File.Exists("/usr/share/seabios/bios-256k.bin") ? null : "The host has no SeaBIOS." : $"The host has no {rom} of iPXE.");
}
