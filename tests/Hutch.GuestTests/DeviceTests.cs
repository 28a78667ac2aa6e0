using System;
using System.IO;
using System.Net.Sockets;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

public sealed class DeviceTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Entropy_comes_from_virtio_rng()
    {
        await using Vm vm = await Vm.Boot();
        Assert.Equal("virtio_rng.0", await vm.Shell("cat /sys/class/misc/hw_random/rng_current"));
        Assert.Equal("4096", await vm.Shell("dd if=/dev/hwrng bs=64 count=64 2>/dev/null | wc -c"));
        Assert.NotEqual(await vm.Shell("dd if=/dev/hwrng bs=16 count=1 2>/dev/null | md5sum"), await vm.Shell("dd if=/dev/hwrng bs=16 count=1 2>/dev/null | md5sum"));
    }

    [Fact]
    public async Task A_virtio_console_writes_to_its_file()
    {
        string file = _folder.File("console");
        await using (Vm vm = await Vm.Boot("--device", $"virtio-console,backend=file:{file}"))
        {
            await vm.Shell("seq 1 2000 >/dev/hvc0");
            Assert.Equal(0, await vm.PowerOff());
        }
        string[] lines = File.ReadAllText(file).Replace("\r", "", StringComparison.Ordinal).TrimEnd().Split('\n');
        Assert.Equal(2000, lines.Length);
        Assert.Equal("2000", lines[^1]);
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

    [Fact]
    public async Task Thousands_of_lines_arrive_whole_and_in_order()
    {
        await using Vm vm = await Vm.Boot();
        string[] lines = (await vm.Shell("seq 1 5000", seconds: 120)).Split('\n');
        Assert.Equal(5000, lines.Length);
        for (int i = 0; i < lines.Length; i++) Assert.Equal($"{i + 1}", lines[i]);
    }
}
