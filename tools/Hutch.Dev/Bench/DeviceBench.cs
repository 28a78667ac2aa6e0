using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Cli.Guests;
using Hutch.GuestTests;
using Hutch.Host.Files;

namespace Hutch.Dev.Bench;

/// <summary>
/// Disks on each bus and network cards of each model under the same load, in a guest with Debian's stock kernel, on hutch and on QEMU's TCG in turn. Says how
/// far virtio is ahead of the emulated devices, and hutch of QEMU.
/// </summary>
internal sealed class DeviceBench(string root)
{
    private const int Megabytes = 512, SecondsOfLoad = 3;
    private const long ImageBytes = 256 << 20;
    private const double Goal = 1.5;
    private const string CommandLine = "console=ttyS0 quiet";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(300);

    // IDE is the other machine's, which has its disk alone.
    private static readonly (string Machine, string Bus, string Device, string Name)[] Disks =
        [("q35", "virtio", "virtio-blk-pci", "vdc"), ("q35", "sata", "ide-hd,bus=ide.0", "sda"), ("pc", "ide", "ide-hd,bus=ide.0", "sda")];

    private static readonly (string Kind, int Block, int Depth)[] DiskLoads = [("randread", 4096, 32), ("read", 128 << 10, 8), ("write", 128 << 10, 8)];

    private static readonly (string Model, string Device)[] Cards = [("virtio", "virtio-net-pci"), ("e1000", "e1000"), ("rtl8139", "rtl8139")];

    /// <summary>Prints the rates of each round, the medians and the ratios; status 1 when a network goal is missed.</summary>
    internal int Run(int rounds)
    {
        using ScratchFolder folder = new("hutch-devices");
        string[] programs = [GuestProgram.Compile(folder.Path, "block-load"), GuestProgram.Compile(folder.Path, "net-load")];
        string[] images = [.. Disks.Select(disk => BlockLoad.MakeImage(Directory.CreateDirectory(Path.Combine(folder.Path, disk.Bus)).FullName, "raw", ImageBytes))];
        string[] disks = [.. programs, .. images];
        string guest = StockGuestImage.Prepare(UserFolders.Cache!);
        HostProgram.Run(Path.Combine(root, "hutch"), ["--version"], root);
        using TapInterfaces? taps = Environment.IsPrivilegedProcess ? new TapInterfaces(Cards.Length) : null;
        if (taps is null) Console.WriteLine("tap: left out, for only root can make such interfaces");
        Console.WriteLine($"guest: {guest}, {Megabytes} MiB, 1 vCPU; raw images in {folder.Path}; MTU 1500; disks in MB/s, networks in MB/s, by the host's clock");
        List<Dictionary<string, double>> ours = [], theirs = [];
        for (int round = 1; round <= rounds; round++)
        {
            ours.Add(Measure(Path.Combine(root, "hutch"), machine => Hutch(machine, guest, disks, taps is not null), taps is not null));
            theirs.Add(Measure("qemu-system-x86_64", machine => Qemu(machine, guest, disks, taps is not null), taps is not null));
            foreach (string load in ours[^1].Keys) Console.WriteLine($"round {round}: {load,-28} hutch {ours[^1][load],8:F1}   qemu {theirs[^1][load],8:F1}");
        }
        return Compare(ours, theirs);
    }

    private static int Compare(List<Dictionary<string, double>> ours, List<Dictionary<string, double>> theirs)
    {
        bool reached = true;
        foreach (string load in ours[0].Keys)
        {
            double ratio = Statistics.Median(ours.Zip(theirs, (our, their) => our[load] / their[load]));
            // Only networks have a goal beside QEMU's.
            string goal = load.StartsWith("disk", StringComparison.Ordinal) ? "no goal" : $"goal {Goal:F1}, {(ratio >= Goal ? "reached" : "MISSED")}";
            reached &= !goal.EndsWith("MISSED", StringComparison.Ordinal);
            string first = $"{load.Split(' ')[0]} virtio {load.Split(' ', 3)[2]}";
            double share = Statistics.Median(ours.Select(our => our[load] / our[first])), theirShare = Statistics.Median(theirs.Select(their => their[load] / their[first]));
            Console.WriteLine($"{load,-28} hutch {Middle(ours, load),8:F1}, qemu {Middle(theirs, load),8:F1}, ratio {ratio:F2} ({goal}); of virtio's: hutch {share:P0}, qemu {theirShare:P0}");
        }
        return reached ? 0 : 1;
    }

    private static double Middle(List<Dictionary<string, double>> rounds, string load) => Statistics.Median(rounds.Select(round => round[load]));

    private static Dictionary<string, double> Measure(string program, Func<string, IEnumerable<string>> arguments, bool hasTaps)
    {
        Dictionary<string, double> rates = [];
        foreach (string machine in (string[])["q35", "pc"])
        {
            using Guest guest = Guest.Start(program, arguments(machine));
            if (!guest.WaitFor(Guest.Marker, Patience) || !guest.WaitFor("~ # ", Patience)) throw new InvalidOperationException($"{program} did not boot:\n{guest.Transcript}");
            GuestProgram.Install(guest, "/dev/vda", "block-load");
            GuestProgram.Install(guest, "/dev/vdb", "net-load");
            foreach ((_, string bus, _, string name) in Disks.Where(disk => disk.Machine == machine))
                foreach ((string kind, int block, int depth) in DiskLoads)
                    rates.Add($"disk {bus} {kind} {block >> 10} KiB", BlockLoad.Run(guest, $"/dev/{name}", kind, block, depth, SecondsOfLoad, ImageBytes) * block / 1e6);
            if (machine == "q35") MeasureCards(guest, rates, hasTaps);
        }
        return rates;
    }

    private static void MeasureCards(Guest guest, Dictionary<string, double> rates, bool hasTaps)
    {
        for (int card = 0; card < Cards.Length; card++)
        {
            MeasureCard(guest, rates, $"user {Cards[card].Model}", Mac("user", card), UserGuest(card), UserHost(card));
            if (hasTaps) MeasureCard(guest, rates, $"tap {Cards[card].Model}", Mac("tap", card), TapInterfaces.GuestAddress(card), TapInterfaces.HostAddress(card));
        }
    }

    private static void MeasureCard(Guest guest, Dictionary<string, double> rates, string name, string mac, string address, string host)
    {
        guest.Send($"card=$(grep -l {mac} /sys/class/net/*/address | cut -d/ -f5); ifconfig $card {address} netmask 255.255.255.0 up; ping -c 1 -w 30 {host} | grep -q '1 packets received' && echo ca''rd up\n");
        if (!guest.WaitFor("card up", Patience)) throw new InvalidOperationException($"{name}: the card does not come up:\n{guest.Transcript}");
        foreach (bool sends in (bool[])[true, false]) rates.Add($"{name} {(sends ? "guest sends" : "guest receives")}", NetworkLoad.Run(guest, host, sends));
        guest.Send("ifconfig $card down\n");
    }

    // The first two disks are the programs, on virtio.
    private static IEnumerable<string> Hutch(string machine, string guest, string[] disks, bool hasTaps)
    {
        List<string> arguments = ["run", "--machine", machine, "--memory", $"{Megabytes}M", "--kernel", $"{guest}/vmlinuz", "--initrd", $"{guest}/initrd", "--append", CommandLine];
        for (int i = 0; i < disks.Length; i++)
        {
            int load = i - (disks.Length - Disks.Length);
            if (load < 0) arguments.AddRange(["--disk", $"{disks[i]},format=raw,readonly"]);
            else if (Disks[load].Machine == machine) arguments.AddRange(["--disk", $"{disks[i]},format=raw,bus={Disks[load].Bus}"]);
        }
        for (int i = 0; i < Cards.Length && machine == "q35"; i++)
        {
            arguments.AddRange(["--net", $"user,model={Cards[i].Model},mac={Mac("user", i)},net={UserNet(i)},host={UserHost(i)}{(Cards[i].Model == "virtio" ? ",mtu=1500" : "")}"]);
            if (hasTaps) arguments.AddRange(["--net", $"tap,ifname={TapInterfaces.Name(i)},model={Cards[i].Model},mac={Mac("tap", i)}"]);
        }
        return machine == "q35" ? arguments : [.. arguments, "--net", "none"];
    }

    private static IEnumerable<string> Qemu(string machine, string guest, string[] disks, bool hasTaps)
    {
        List<string> arguments =
        [
            "-accel", "tcg", "-cpu", "max", "-M", machine, "-m", $"{Megabytes}", "-kernel", $"{guest}/vmlinuz", "-initrd", $"{guest}/initrd", "-append", CommandLine,
            "-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot",
        ];
        for (int i = 0; i < disks.Length; i++)
        {
            int load = i - (disks.Length - Disks.Length);
            if (load >= 0 && Disks[load].Machine != machine) continue;
            arguments.AddRange(["-drive", $"file={disks[i]},format=raw,if=none,id=d{i},{(load < 0 ? "readonly=on" : "cache=writeback")}", "-device", $"{(load < 0 ? "virtio-blk-pci" : Disks[load].Device)},drive=d{i}"]);
        }
        for (int i = 0; i < Cards.Length && machine == "q35"; i++)
        {
            arguments.AddRange(["-netdev", $"user,id=u{i},net={UserNet(i)},host={UserHost(i)}", "-device", $"{Cards[i].Device},netdev=u{i},mac={Mac("user", i)}"]);
            if (hasTaps) arguments.AddRange(["-netdev", $"tap,id=t{i},ifname={TapInterfaces.Name(i)},script=no,downscript=no", "-device", $"{Cards[i].Device},netdev=t{i},mac={Mac("tap", i)}"]);
        }
        return arguments;
    }

    private static string Mac(string net, int card) => $"52:54:00:00:{(net == "tap" ? 1 : 0):x2}:{card + 1:x2}";

    private static string UserNet(int card) => $"10.77.{card}.0/24";

    private static string UserHost(int card) => $"10.77.{card}.2";

    private static string UserGuest(int card) => $"10.77.{card}.15";
}
