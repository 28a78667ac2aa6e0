using System;
using System.Globalization;
using System.IO;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

public sealed class DeviceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Entropy_comes_in_and_thousands_of_lines_go_out()
    {
        await using Vm vm = await Vm.Boot();
        Assert.Equal("virtio_rng.0", await vm.Shell("cat /sys/class/misc/hw_random/rng_current"));
        Assert.Equal("4096", await vm.Shell("dd if=/dev/hwrng bs=64 count=64 2>/dev/null | wc -c"));
        Assert.NotEqual(await vm.Shell("dd if=/dev/hwrng bs=16 count=1 2>/dev/null | md5sum"), await vm.Shell("dd if=/dev/hwrng bs=16 count=1 2>/dev/null | md5sum"));
        string[] lines = (await vm.Shell("seq 1 5000", seconds: 120)).Split('\n');
        Assert.Equal(5000, lines.Length);
        for (int i = 0; i < lines.Length; i++) Assert.Equal($"{i + 1}", lines[i]);
    }

    [Fact]
    public async Task Consoles_ports_and_sockets_lead_to_the_host()
    {
        string file = _folder.File("console"), port = _folder.File("port"), vsock = _folder.File("vsock");
        await using (Vm vm = await Vm.Boot("--device", $"virtio-console,backend=file:{file}", "--device", $"virtserialport,name=org.hutch.test.0,path={port}", "--device", $"vsock,cid=3,path={vsock}"))
        {
            await vm.Shell("seq 1 2000 >/dev/hvc0");
            await TalkByPort(vm, port);
            await ConnectToHost(vm, port, vsock);
            await ConnectToGuest(vm, port, vsock);
            Assert.Equal(0, await vm.PowerOff());
        }
        string[] lines = File.ReadAllText(file).Replace("\r", "", StringComparison.Ordinal).TrimEnd().Split('\n');
        Assert.Equal(2000, lines.Length);
        Assert.Equal("2000", lines[^1]);
    }

    // Bytes go both ways, more than any buffer holds; the guest sees a client go.
    private static async Task TalkByPort(Vm vm, string path)
    {
        await vm.Shell("until name=$(grep -lx org.hutch.test.0 /sys/class/virtio-ports/*/name); do usleep 20000; done; port=/dev/$(basename ${name%/name}); [ -c $port ]");
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        byte[] sent = new byte[300_000];
        new Random(1).NextBytes(sent);
        using (Socket client = await Connect(path))
        {
            // A write waits until the guest knows that a client is there.
            await vm.Shell("exec 3<>$port; echo ready >&3; cat /bin/busybox >&3 & cat <&3 >/tmp/came & true");
            Assert.Equal("ready\n", Encoding.ASCII.GetString(await Receive(client, 6)));
            Task<byte[]> received = Receive(client, int.Parse(await vm.Shell("stat -c %s /bin/busybox"), CultureInfo.InvariantCulture));
            await client.SendAsync(sent);
            Assert.Equal(await vm.Shell("sha256sum </bin/busybox | cut -c 1-64"), Convert.ToHexStringLower(SHA256.HashData(await received)));
        }
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(sent)), await vm.Shell("wait; exec 3>&-; sha256sum </tmp/came | cut -c 1-64"));
    }

    // The guest's program comes by the port and connects to a socket of the host.
    private static async Task ConnectToHost(Vm vm, string port, string path)
    {
        await Bring(vm, port, listens: false);
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await vm.Shell("! /tmp/program /bin/true");
        listener.Bind(new UnixDomainSocketEndPoint($"{path}_{VsockProgram.Port}"));
        listener.Listen(1);
        await vm.Shell("/tmp/program /bin/sh -c 'head -c 200000 | sha256sum | cut -c 1-64; cat /bin/busybox' & true");
        using Socket client = await listener.AcceptAsync().WaitAsync(TimeSpan.FromSeconds(60));
        byte[] sent = new byte[200_000];
        new Random(2).NextBytes(sent);
        await client.SendAsync(sent);
        byte[] received = await Receive(client, int.MaxValue);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(sent)), Encoding.ASCII.GetString(received, 0, 64));
        Assert.Equal(await vm.Shell("wait; sha256sum </bin/busybox | cut -c 1-64"), Convert.ToHexStringLower(SHA256.HashData(received.AsSpan(65))));
    }

    // The host connects to a program of the guest's by the line that Firecracker's users know.
    private static async Task ConnectToGuest(Vm vm, string port, string path)
    {
        byte[] line = Encoding.ASCII.GetBytes($"CONNECT {VsockProgram.Port}\n");
        using (Socket refused = await Connect(path))
        {
            await refused.SendAsync(line);
            Assert.Empty(await Receive(refused, int.MaxValue));
        }
        await Bring(vm, port, listens: true);
        await vm.Shell("/tmp/program /bin/sh -c 'while read line; do echo heard $line; done' & true");
        Socket client;
        string answer;
        // It may not listen yet.
        for (int tries = 0; ; tries++)
        {
            client = await Connect(path);
            await client.SendAsync(line);
            answer = Encoding.ASCII.GetString(await Receive(client, 14));
            if (answer.Length != 0 || tries == 100) break;
            client.Dispose();
            await Task.Delay(50);
        }
        using Socket connected = client;
        Assert.StartsWith("OK 1", answer, StringComparison.Ordinal);
        Assert.EndsWith("\n", answer, StringComparison.Ordinal);
        await client.SendAsync("ping\n"u8.ToArray());
        Assert.Equal("heard ping\n", Encoding.ASCII.GetString(await Receive(client, 11)));
        client.Shutdown(SocketShutdown.Send);
        Assert.Empty(await Receive(client, int.MaxValue));
        await vm.Shell("wait");
    }

    // A program comes to the guest by the port.
    private static async Task Bring(Vm vm, string port, bool listens)
    {
        using (Socket client = await Connect(port))
        {
            await vm.Shell("(exec 3<>$port; echo ready >&3; cat <&3 >/tmp/program) & true");
            Assert.Equal("ready\n", Encoding.ASCII.GetString(await Receive(client, 6)));
            await client.SendAsync(VsockProgram.Make(listens));
        }
        await vm.Shell("wait; chmod +x /tmp/program");
    }

    private static async Task<Socket> Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        return socket;
    }

    // So many bytes, or all until the end.
    private static async Task<byte[]> Receive(Socket socket, int most)
    {
        using MemoryStream all = new();
        byte[] buffer = new byte[64 << 10];
        while (all.Length < most)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(0, (int)Math.Min(buffer.Length, most - all.Length))).AsTask().WaitAsync(TimeSpan.FromSeconds(120));
            if (count == 0) break;
            all.Write(buffer, 0, count);
        }
        return all.ToArray();
    }

    [Fact]
    public async Task A_virtio_console_can_be_the_terminal()
    {
        await using Vm vm = Vm.Start("--serial", $"file:{_folder.File("serial")}", "--device", "virtio-console,backend=stdio");
        while (!File.Exists(_folder.File("serial")) || !File.ReadAllText(_folder.File("serial")).Contains(Vm.Greeting, StringComparison.Ordinal)) await Task.Delay(50);
        await vm.Kill();
    }

    [Fact]
    public async Task A_serial_port_on_a_socket_can_be_talked_to()
    {
        string path = _folder.File("serial");
        await using Vm vm = Vm.Start("--serial", $"unix:{path}");
        while (!File.Exists(path)) await Task.Delay(20);
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        StringBuilder console = new();
        byte[] buffer = new byte[4096];
        while (!console.ToString().Contains("~ # ", StringComparison.Ordinal))
            console.Append(Encoding.Latin1.GetString(buffer, 0, await socket.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromSeconds(60))));
        await socket.SendAsync("poweroff\n"u8.ToArray());
        Assert.Equal(0, await vm.WaitForExit());
    }
}
