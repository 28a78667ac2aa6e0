using System;
using System.IO;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>What a guest draws is seen, and what is typed at a viewer reaches it.</summary>
public sealed class DisplayTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_picture_of_the_screen_shows_what_the_guest_draws()
    {
        string name = $"screen-{Environment.ProcessId}", picture = _folder.File("a.ppm");
        await using Vm vm = await Vm.Boot("--name", name, "--display", $"vnc=unix:{_folder.File("vnc")}");
        // The console's own white on red, all over the screen.
        await vm.Shell("printf '\\033[41m\\033[2J' >/dev/tty1");
        (int status, _, string errors) = await Launcher.Run("screenshot", name, picture);
        Assert.True(status == 0, errors);

        byte[] ppm = File.ReadAllBytes(picture);
        string header = "P6\n1024 768\n255\n";
        Assert.Equal(header, Encoding.ASCII.GetString(ppm, 0, header.Length));
        int middle = header.Length + (3 * ((384 * 1024) + 512));
        Assert.Equal([0xaa, 0, 0], ppm[middle..(middle + 3)]);
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task What_is_typed_at_a_viewer_reaches_the_guest()
    {
        string socket = _folder.File("vnc");
        await using Vm vm = await Vm.Boot("--display", $"vnc=unix:{socket}");
        await vm.Shell(VncClient.Listen);
        using VncClient viewer = await VncClient.Connect(socket);
        await viewer.TypeLine("Hello, Guest: 42!");
        Assert.Equal("Hello, Guest: 42!", await vm.Shell(VncClient.Heard));
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task A_machine_without_a_screen_says_so()
    {
        string name = $"dark-{Environment.ProcessId}";
        await using Vm vm = await Vm.Boot("--name", name);
        (int status, _, string errors) = await Launcher.Run("screenshot", name, _folder.File("a.png"));
        Assert.Equal(1, status);
        Assert.Contains("--display", errors, StringComparison.Ordinal);
    }
}
