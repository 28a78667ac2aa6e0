using System.IO;

namespace Hutch.GuestTests;

/// <summary>A guest with Debian's stock kernel, which has drivers of old hardware: <see cref="StockGuestImage"/>.</summary>
internal static class StockGuest
{
    /// <summary>The options of <c>hutch run</c> that boot it.</summary>
    internal static string[] Options
    {
        get
        {
            string folder = StockGuestImage.Prepare(Launcher.Cache);
            return ["--kernel", Path.Combine(folder, "vmlinuz"), "--initrd", Path.Combine(folder, "initrd"), "--append", "console=ttyS0 quiet"];
        }
    }

    /// <summary>Loads the driver of virtio GPUs.</summary>
    internal const string LoadDisplay = "while read -r module; do insmod /modules/$module; done </modules/display";

    /// <summary>Brings <c>eth0</c> up with the address that DHCP gives.</summary>
    internal const string BringNetworkUp = "ifconfig lo up; ifconfig eth0 up && udhcpc -q -n -i eth0 -s /etc/udhcpc.script >/dev/null 2>&1; ifconfig eth0";
}
