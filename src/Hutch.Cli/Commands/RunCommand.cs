using System;
using System.CommandLine;
using System.CommandLine.Parsing;
using Hutch.Cli.Debian;
using Hutch.Cli.Guests;
using Hutch.Cli.Launch;
using Hutch.Cli.Options;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>The verb <c>hutch run</c>: one machine, in this terminal, until it ends.</summary>
internal static class RunCommand
{
    private static readonly string About =
        $"""
        Runs one virtual machine in this terminal until it ends. Without IMAGE and --kernel it is a tiny Linux guest, made once from Debian's packages.
        'hutch run debian' is a whole Debian 12, made once too: root's shell here, and ssh; with --name its disk stays.

        Ctrl-] leaves; standard input that is no terminal goes to the guest unchanged.

        Exit status:
          0    the guest switched itself off, or reset under --no-reboot
          1    the machine could not be built: a file, a size or a name is wrong
          2    the command line is wrong
          3    the CPU engine could not go on with the guest
          4    a defect in hutch itself
          130  left with Ctrl-] or SIGINT; 128 + N for another signal N
          odd  with --device debug-exit: (value << 1) | 1, as the guest chose
        """;

    private static readonly Argument<string?> Image = new("image")
    {
        HelpName = "debian|DISK", Arity = ArgumentArity.ZeroOrOne,
        Description = "'debian', a disk image, or an ISO image as a CD-ROM, to boot from; with --kernel it is the first disk.",
    };

    private static readonly Option<string?> Kernel = Text("--kernel", "FILE", "Kernel to boot: bzImage, ELF vmlinux, PVH or multiboot.");
    private static readonly Option<string?> Initrd = Text("--initrd", "FILE", "Initial RAM disk of the kernel.");
    private static readonly Option<string?> Append = Text("--append", "STRING", "Kernel command line; added to the tiny guest's own.");
    private static readonly Option<string?> Machine = Text("--machine", "q35|pc[,hpet=on|off]", "The chipset: q35 with SATA, or an i440FX and PIIX with IDE; with high-precision event timers or without. [default: q35,hpet=on]");
    private static readonly Option<string?> Memory = Text("--memory", "SIZE[,max=SIZE]", "Guest RAM, with K, M, G or T; MiB without; and up to how much 'hutch set --memory' may give. [default: 512M]");
    private static readonly Option<string?> Cpus = Text("--cpus", "[N][,max=M][,sockets=S,dies=D,cores=C,threads=T]", "vCPUs, how many it can have, and how these are arranged. [default: 1]");
    private static readonly Option<string?> Cpu = Text("--cpu", "MODEL[,+flag,-flag]", "CPU model and features. [default: max]");
    private static readonly Option<string[]> Disk = Many("--disk", "PATH[,OPTION]...", $"Attach a disk; may be repeated. {DiskOption.Form}");
    private static readonly Option<string[]> Net = Many("--net", "KIND[,OPTION]...", $"Connect a network card; may be repeated. [default: user, where the host has libslirp] {NetOption.Form}");
    private static readonly Option<string[]> CdRom = Many("--cdrom", "PATH|none", "Attach a CD-ROM drive with an ISO image in it, or none; may be repeated.");
    private static readonly Option<string?> Firmware = Text("--firmware", FirmwareOption.Form, "What a machine without --kernel boots from. [default: seabios]", "--bios");
    private static readonly Option<string?> Boot = Text("--boot", FirmwareOption.BootForm, "What the firmware tries, in this order: c disks, d CD-ROM drives. [default: order=cdn,menu=off]");
    private static readonly Option<string[]> FwCfg = Many("--fw-cfg", FirmwareOption.EntryForm, "A file for software in the guest, by the firmware configuration device; may be repeated.");
    private static readonly Option<string[]> Smbios = Many("--smbios", SmbiosOption.Form, "An OEM string of SMBIOS, for example a credential for systemd in the guest; may be repeated.");
    private static readonly Option<string?> Engine = Text("--engine", "auto|kvm|software", "What executes the guest. [default: auto]");
    private static readonly Option<string?> Serial = Text("--serial", "stdio|file:PATH|unix:PATH|pty:LINK|none", "Where COM1 leads. [default: stdio]");
    private static readonly Option<string?> Display = Text("--display", DisplayOption.Form, "Give the machine a screen, a keyboard and a mouse, and serve them by VNC. [default: none]");
    private static readonly Option<string[]> Device = Many("--device", "NAME[,opt=val]", $"Add a device ({DeviceOption.Known}); may be repeated.");
    private static readonly Option<bool> NoReboot = new("--no-reboot") { Description = "End with status 0 when the guest resets." };
    private static readonly Option<string?> Name = Text("--name", "NAME", "Name of the machine for 'hutch ps' and the other commands. [default: made up]");
    private static readonly Option<bool> Json = new("--json") { Description = "Messages on standard error are JSON lines." };

    /// <summary>The command for the parser.</summary>
    internal static Command Create()
    {
        Command command = new("run", About)
        {
            Image, Kernel, Initrd, Append, Machine, Memory, Cpus, Cpu, Disk, CdRom, Firmware, Boot, FwCfg, Smbios, Net, Engine, Serial, Display, Device, NoReboot, Name, Json,
        };
        foreach (Option option in PlacementOptions.OfRun) command.Add(option);
        command.SetAction(Run);
        return command;
    }

    /// <summary>The parser takes an option that it does not know for the image; then every other complaint would mislead. Throws <see cref="UserException"/>.</summary>
    internal static void CheckOptions(ParseResult result)
    {
        foreach (Token token in result.GetResult(Image)?.Tokens ?? [])
            if (token.Value is ['-', _, ..]) throw new UserException($"There is no option '{token.Value}'; 'hutch run --help' shows what there is.", ExitStatus.Usage);
    }

    private static int Run(ParseResult result)
    {
        RunRequest request = new()
        {
            Image = result.GetValue(Image), Kernel = result.GetValue(Kernel), Initrd = result.GetValue(Initrd), Append = result.GetValue(Append),
            Machine = result.GetValue(Machine), Memory = result.GetValue(Memory), Cpus = result.GetValue(Cpus), Cpu = result.GetValue(Cpu), Disks = result.GetValue(Disk) ?? [],
            CdRoms = result.GetValue(CdRom) ?? [], Firmware = result.GetValue(Firmware), Boot = result.GetValue(Boot), FwCfg = result.GetValue(FwCfg) ?? [], Smbios = result.GetValue(Smbios) ?? [],
            Engine = result.GetValue(Engine), Serial = result.GetValue(Serial), Display = result.GetValue(Display), Devices = result.GetValue(Device) ?? [],
            Nets = result.GetValue(Net) ?? [], NoReboot = result.GetValue(NoReboot), Name = result.GetValue(Name), Json = result.GetValue(Json), Placement = PlacementOptions.Read(result), Numa = PlacementOptions.ReadGuestNuma(result),
        };
        Action<string> say = text => Messages.Progress(text, request.Json);
        ulong hostMemory = (ulong)GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (DebianMachine.IsAsked(request))
        {
            // A mistake in the options is said before anything is downloaded.
            _ = new MachineComposer(hostMemory, static _ => new KernelBoot("", null, "")).Compose(request with { Image = null, Kernel = null });
            request = DebianMachine.Prepare(request, MachineComposer.Name(request), say);
        }
        MachineComposer composer = new(hostMemory,
            append => TinyGuest.Prepare(new GuestCache(GuestCache.DefaultRoot(), say), say, append), () => DefaultNetwork.Choose(say));
        VmmProcess.Become(composer.Compose(request));
        return 0;
    }

    private static Option<string?> Text(string name, string value, string description, params string[] aliases) => new(name, aliases) { HelpName = value, Description = description };

    private static Option<string[]> Many(string name, string value, string description) => new(name)
    {
        HelpName = value, Description = description, Arity = ArgumentArity.OneOrMore, AllowMultipleArgumentsPerToken = false,
    };
}
