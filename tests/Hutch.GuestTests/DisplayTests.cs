using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
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
        await using Vm vm = await Vm.Boot("--display", $"vnc=unix:{socket}", "--device", "virtio-keyboard", "--device", "virtio-tablet");
        await vm.Shell("until grep -A 5 'Hutch Virtio Keyboard' /proc/bus/input/devices | grep -q event && grep -A 5 'Hutch Virtio Tablet' /proc/bus/input/devices | grep -q event; do usleep 20000; done");
        await vm.Shell(VncClient.Listen);
        using VncClient viewer = await VncClient.Connect(socket);
        await vm.Shell($"{Record("Hutch Virtio Keyboard", "keys", 2)}; {Record("Hutch Virtio Tablet", "places", 8)}; sleep 1");
        await viewer.TypeLine("hello, Guest: 42!");
        // Each of them is four events: both axes, the button, and the end of the report.
        await viewer.Point(1, ushort.MaxValue, ushort.MaxValue);
        await viewer.Point(0, 0, 0);
        Assert.Equal("hello, Guest: 42!", await vm.Shell(VncClient.Heard));
        // The line came by this keyboard: its reader has something, if only that there was more than it could take.
        Assert.Equal(2, (await Recorded(vm, "keys")).Length);
        // Type, code, value (input-event-codes.h): the places and the left button.
        Assert.Equal([(3, 0, 32767), (3, 1, 32767), (1, 272, 1), (0, 0, 0), (3, 0, 0), (3, 1, 0), (1, 272, 0), (0, 0, 0)], await Recorded(vm, "places"));

        // Without its driver the keys go to the other keyboard.
        await vm.Shell("cd /sys/bus/virtio/drivers/virtio_input && for device in virtio*; do echo $device >unbind; done; cd");
        await vm.Shell(VncClient.Listen);
        await viewer.TypeLine("Hello by PS/2");
        Assert.Equal("Hello by PS/2", await vm.Shell(VncClient.Heard));
        Assert.Equal(0, await vm.PowerOff());
    }

    // Keeps the first events of an input device.
    private static string Record(string device, string file, int events) =>
        $"dd if=/dev/input/$(grep -A 5 '{device}' /proc/bus/input/devices | grep -o 'event[0-9]*') of=/tmp/{file} bs=24 count={events} 2>/dev/null & true";

    private static async Task<(int Type, int Code, int Value)[]> Recorded(Vm vm, string file)
    {
        string hex = await vm.Shell($"hexdump -v -e '24/1 \"%02x\" \"\\n\"' /tmp/{file}");
        return [.. hex.Split('\n').Select(static line => Convert.FromHexString(line.Trim())).Select(static one =>
            ((int)BinaryPrimitives.ReadUInt16LittleEndian(one.AsSpan(16)), (int)BinaryPrimitives.ReadUInt16LittleEndian(one.AsSpan(18)), BinaryPrimitives.ReadInt32LittleEndian(one.AsSpan(20))))];
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
