using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>USB devices, and a virtio GPU, with Linux's own drivers of them.</summary>
public sealed class UsbTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_viewer_types_on_a_usb_keyboard_points_with_a_tablet_and_sees_a_virtio_gpu()
    {
        string socket = _folder.File("vnc"), name = $"usb-{Environment.ProcessId}";
        await using Vm vm = await Vm.Boot([.. StockGuest.Options, "--name", name, "--net", "none", "--display", $"vnc=unix:{socket}", "--device", "usb-kbd", "--device", "virtio-gpu"]);
        using VncClient viewer = await VncClient.Connect(socket);
        await TypeAndPoint(vm, viewer);
        Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-4]>' | grep -i 'usb\\|xhci\\|hid' || true"));
        await ShowTheConsole(vm, name);
        Assert.Equal(0, await vm.PowerOff());
    }

    [Usb2Fact]
    public async Task A_keyboard_of_usb_1_is_behind_a_companion_and_a_tablet_at_high_speed_and_a_saved_machine_has_them()
    {
        string socket = _folder.File("vnc"), state = _folder.File("state"), name = $"usb2-{Environment.ProcessId}";
        await using (Vm vm = await Vm.Boot([.. StockGuest.Options, "--name", name, "--net", "none", "--display", $"vnc=unix:{socket}", "--device", "ich9-usb-ehci1", "--device", "usb-tablet", "--device", "usb-kbd,usb_version=1"]))
        {
            using (VncClient viewer = await VncClient.Connect(socket)) await TypeAndPoint(vm, viewer);
            Assert.Equal("USB Keyboard 12 uhci_hcd\nUSB Tablet 480 ehci-pci", await vm.Shell(
                "cd /sys/bus/usb/devices; for d in [0-9]*-[0-9]; do echo $(cat $d/product) $(cat $d/speed) $(basename $(readlink $d/../../driver)); done | sort; cd"));
            Assert.Equal("", await vm.Shell("dmesg -r | grep '^<[0-4]>' | grep -i 'usb\\|hci\\|hid' || true"));
            await Launcher.Done("save", name, state);
            Assert.Equal(0, await vm.WaitForExit());
        }
        await using Vm back = Vm.Restore(state);
        back.Send("\n");
        await back.WaitFor("~ # ");
        using (VncClient viewer = await VncClient.Connect(socket)) await TypeAndPoint(back, viewer);
        Assert.Equal(0, await back.PowerOff());
    }

    /// <summary>A viewer types on a machine's USB keyboard and points with its tablet, and Linux hears of both.</summary>
    internal static async Task TypeAndPoint(Vm vm, VncClient viewer)
    {
        await vm.Shell("until grep -q 'Hutch USB Tablet' /proc/bus/input/devices && grep -q 'Hutch USB Keyboard' /proc/bus/input/devices; do usleep 20000; done");
        await vm.Shell(VncClient.Listen);
        await viewer.TypeLine("Keys by USB: 42!");
        Assert.Equal("Keys by USB: 42!", await vm.Shell(VncClient.Heard));

        await vm.Shell("event=$(grep -A 5 'Hutch USB Tablet' /proc/bus/input/devices | grep -o 'event[0-9]*'); dd if=/dev/input/$event of=/tmp/events bs=24 count=12 2>/dev/null & sleep 1");
        // Each of them is five events: the button, as code and as key, both axes, and the end of the report.
        for (int i = 0; i < 2; i++)
        {
            await viewer.Point(1, ushort.MaxValue, ushort.MaxValue);
            await viewer.Point(0, 0, 0);
        }
        string hex = await vm.Shell("wait; hexdump -v -e '24/1 \"%02x\" \"\\n\"' /tmp/events");
        (int, int, int)[] events = [.. hex.Split('\n').Select(static line => Convert.FromHexString(line.Trim())).Select(static one =>
            ((int)BinaryPrimitives.ReadUInt16LittleEndian(one.AsSpan(16)), (int)BinaryPrimitives.ReadUInt16LittleEndian(one.AsSpan(18)), BinaryPrimitives.ReadInt32LittleEndian(one.AsSpan(20))))];
        // Type, code, value (input-event-codes.h): both axes at their ends, and the left button.
        Assert.Contains((3, 0, 32767), events);
        Assert.Contains((3, 1, 32767), events);
        Assert.Contains((1, 272, 1), events);
    }

    // The size is that of the EDID, and the console's letters come by transfers and flushes.
    private async Task ShowTheConsole(Vm vm, string name)
    {
        await vm.Shell(StockGuest.LoadDisplay);
        Assert.Equal("virtio_gpudrmfb\n1280,800\n1280x800\n128", await vm.Shell("cd /sys/class; cat graphics/fb0/name graphics/fb0/virtual_size; head -n 1 drm/card0-Virtual-1/modes; wc -c <drm/card0-Virtual-1/edid; cd"));
        await vm.Shell("echo 'Seen on a GPU' >/dev/tty1");
        await ScreenText.WaitFor(name, "Seen on a GPU", _folder, 60);
        Assert.StartsWith("P6\n1280 800\n", Encoding.ASCII.GetString(File.ReadAllBytes(_folder.File("screen.ppm"))[..20]), StringComparison.Ordinal);
        // Linux 6.1 warns of its own driver.
        string warnings = await vm.Shell("dmesg -r | grep '^<[0-4]>' | grep -i 'drm\\|gpu\\|edid' | grep -v drm_plane_enable_fb_damage_clips || true");
        Assert.True(warnings.Length == 0, warnings);
    }
}

/// <summary>A boot of its own for a controller that few machines have, so that it runs when it is asked for.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class Usb2FactAttribute : FactAttribute
{
    public Usb2FactAttribute() => Skip = Environment.GetEnvironmentVariable("HUTCH_USB2") == "1" ? null : "HUTCH_USB2=1 boots a machine with a USB 2 controller.";
}
