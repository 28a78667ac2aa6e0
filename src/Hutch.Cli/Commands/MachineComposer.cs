using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.IO;
using System.Linq;
using Hutch.Cli.Options;
using Hutch.Model.Control;
using Hutch.Model.Machine;

namespace Hutch.Cli.Commands;

/// <summary>Makes the definition of a machine from what the user asked for.</summary>
/// <param name="hostMemoryBytes">RAM of the host, the upper limit of a guest's.</param>
/// <param name="prepareTinyGuest">Supplies the guest that boots when none is named, given the addition to its command line.</param>
/// <param name="defaultNetwork">The value of <c>--net</c> when it is not given; null: none.</param>
internal sealed class MachineComposer(ulong hostMemoryBytes, Func<string?, KernelBoot> prepareTinyGuest, Func<string>? defaultNetwork = null)
{
    // Queues of a disk whose option does not say: one for each vCPU, so that none waits for another, up to this.
    private const int MostUnsaidQueues = 4;

    /// <summary>The definition. Throws <see cref="UserException"/> for what cannot be.</summary>
    internal MachineDefinition Compose(RunRequest request)
    {
        // The tiny guest is prepared last: a mistake in the options is said before anything is downloaded.
        CheckImage(request);
        (CpuTopology cpus, ulong absent) = request.Cpus is null ? (new CpuTopology(1, 1, 1), 0) : CpuOptions.ParseTopology(request.Cpus);
        (ulong memory, ulong pluggable) = request.Memory is null ? (Math.Min(MemorySize.DefaultBytes, hostMemoryBytes), 0) : MemorySize.ParseGrowing(request.Memory, hostMemoryBytes);
        (ImmutableArray<NumaNode> nodes, ImmutableArray<NumaDistance> distances, ImmutableArray<NumaAccess> accesses) = NumaOption.Parse(request.Numa);
        string name = Name(request);
        MachineDefinition definition = new()
        {
            Name = name,
            MemoryBytes = memory,
            PluggableBytes = pluggable,
            Cpus = cpus,
            AbsentVcpus = absent,
            NumaNodes = nodes,
            NumaDistances = distances,
            NumaAccesses = accesses,
            Cpu = request.Cpu is null ? CpuModel.Max : CpuOptions.ParseModel(request.Cpu),
            Engine = request.Engine is null ? EngineChoice.Auto : EngineOption.Parse(request.Engine),
            Devices = [.. Devices(request, cpus, name), .. pluggable == 0 ? Array.Empty<DeviceConfig>() : [new VirtioMemConfig("memory0")]],
            Boot = null,
            OemStrings = SmbiosOption.Parse(request.Smbios),
            Placement = request.Placement,
            Vnc = request.Display is null ? null : DisplayOption.Parse(request.Display),
            NoReboot = request.NoReboot,
            Json = request.Json,
        };
        return definition with { Boot = Boot(request) };
    }

    /// <summary>The machine's name. One that was not given tells the machine from all others of this host: the process id becomes the machine's. Throws <see cref="UserException"/>.</summary>
    internal static string Name(RunRequest request)
    {
        if (request.Name is null)
            return VmName.From(request.Stem ?? Path.GetFileNameWithoutExtension(request.Kernel ?? request.Image ?? (request.CdRoms.Count != 0 ? request.CdRoms[0] : "tiny")), $"-{Environment.ProcessId}");
        return NameOption.Checked(request.Name);
    }

    private static void CheckImage(RunRequest request)
    {
        if (request.Image is not null && request.Kernel is null && !DiskOption.IsNoPath(request.Image) && !File.Exists(request.Image))
            throw new UserException($"'{request.Image}': there is no such file; the one image that has a name is 'debian'.", ExitStatus.BadConfiguration);
        if (!FirmwareComposer.IsWanted(request) || request.Kernel is not null) FirmwareComposer.Refuse(request);
        if (request.Initrd is not null && request.Kernel is null)
            throw new UserException("--initrd belongs to a kernel; name one with --kernel.", ExitStatus.Usage);
    }

    private KernelBoot? Boot(RunRequest request)
    {
        if (FirmwareComposer.IsWanted(request)) return null;
        if (request.Kernel is null) return prepareTinyGuest(request.Append);
        string kernel = DiskOption.CheckedPath("--kernel", request.Kernel);
        string? initrd = request.Initrd is null ? null : DiskOption.CheckedPath("--initrd", request.Initrd);
        return new KernelBoot(kernel, initrd, request.Append ?? (IsLinux(kernel) ? "console=ttyS0" : ""));
    }

    /// <summary>A Linux bzImage: "HdrS" at 0x202 (Linux x86 boot protocol). Without a console it would run unseen.</summary>
    private static bool IsLinux(string kernel)
    {
        try
        {
            using FileStream file = File.OpenRead(kernel);
            Span<byte> magic = stackalloc byte[4];
            file.Position = 0x202;
            return file.ReadAtLeast(magic, magic.Length, throwOnEndOfStream: false) == magic.Length && magic.SequenceEqual("HdrS"u8);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"--kernel '{kernel}': {error.Message}", ExitStatus.BadConfiguration);
        }
    }

    private List<DeviceConfig> Devices(RunRequest request, CpuTopology cpus, string name)
    {
        CharacterBackend serial = request.Serial is null ? new CharacterBackend(CharacterBackendKind.Stdio) : BackendOption.Parse("--serial", request.Serial);
        PlatformConfig platform = MachineOption.Parse(request.Machine);
        List<DeviceConfig> devices = [platform, new SerialConfig("com1", 1, serial)];
        int queues = Math.Min(cpus.VcpuCount, MostUnsaidQueues);
        DriveComposer.Add(request, platform.Machine, queues, devices);
        AddNetworkCards(devices, request.Nets.Count != 0 ? request.Nets : [defaultNetwork?.Invoke() ?? "none"], name);
        int ordinal = 0;
        bool entropy = false;
        foreach (string text in request.Devices)
        {
            DeviceConfig device = DeviceOption.Parse(text, ordinal++);
            entropy |= device is VirtioRngConfig;
            devices.Add(device);
        }
        AddDisplay(request, devices);
        PlugComposer.Plug(devices, platform.Machine);
        if (!entropy) devices.Add(new VirtioRngConfig("rng0"));
        if (FirmwareComposer.IsWanted(request)) FirmwareComposer.Add(request, devices);
        CheckNames(devices);
        CheckStandardInput(devices);
        return devices;
    }

    private static void AddNetworkCards(List<DeviceConfig> devices, IReadOnlyList<string> networks, string machine)
    {
        int cards = 0;
        HashSet<string> addresses = [];
        foreach (string network in networks)
        {
            NetCardConfig? card = NetOption.Parse(network, $"nic{cards}", machine);
            if (card is null && networks.Count != 1) throw new UserException("--net none is for a machine without network cards; leave out the others or this one.", ExitStatus.Usage);
            if (card is null) return;
            if (!addresses.Add(card.Mac)) throw new UserException($"Two network cards have the address {card.Mac}; give one of them another with mac=.", ExitStatus.Usage);
            devices.Add(card);
            cards++;
        }
    }

    private static void AddDisplay(RunRequest request, List<DeviceConfig> devices)
    {
        if (request.Display is null or "none") return;
        devices.Add(new Ps2InputConfig("ps2"));
        // With a tablet the guest's pointer is where the viewer's is.
        if (!devices.Exists(static device => device is VirtioInputConfig { Kind: VirtioInputKind.Tablet } || device is UsbControllerConfig usb && usb.Devices.Any(static one => one.Kind == UsbDeviceKind.Tablet)))
            devices.Add(new XhciConfig("", [new UsbDeviceConfig("tablet0", UsbDeviceKind.Tablet)]));
        if (devices.Exists(static device => device is VgaConfig or VirtioGpuConfig)) return;
        bool hasBios = FirmwareComposer.IsWanted(request) && request.Firmware is null or "seabios";
        devices.Add(new VgaConfig("vga0", RomPath: DisplayOption.FindVideoBios(isNeeded: hasBios)));
    }

    private static void CheckNames(List<DeviceConfig> devices)
    {
        HashSet<string> names = [];
        foreach (DeviceConfig device in devices)
            if (!names.Add(device.Id)) throw new UserException($"Two devices have the name '{device.Id}'; give one of them another with id=NAME.", ExitStatus.Usage);
    }

    private static void CheckStandardInput(List<DeviceConfig> devices)
    {
        string? owner = null;
        foreach (DeviceConfig device in devices)
        {
            CharacterBackend? backend = device switch { SerialConfig port => port.Backend, VirtioConsoleConfig console => console.Backend, DebugConsoleConfig debug => debug.Backend, _ => null };
            if (backend?.Kind != CharacterBackendKind.Stdio) continue;
            if (owner is not null)
                throw new UserException($"'{owner}' and '{device.Id}' both want standard input; move one, for example with --serial none.", ExitStatus.Usage);
            owner = device.Id;
        }
    }
}
