using System;
using System.Collections.Immutable;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>
/// Reads the JSON of <see cref="MachineWriter"/> without the serializer, whose generic code is compiled anew in every process:
/// that would cost more than the rest of a machine's start. A test holds the two alike, over every record.
/// </summary>
public static class MachineReader
{
    /// <summary>Reads one definition. Throws <see cref="JsonException"/> for what is not one.</summary>
    public static MachineDefinition Read(ReadOnlyMemory<byte> json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        try
        {
            return ReadDefinition(document.RootElement);
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or FormatException or ArgumentException or System.Collections.Generic.KeyNotFoundException)
        {
            throw new JsonException($"A property is missing or of the wrong kind: {wrong.Message}", wrong);
        }
    }

    /// <summary>Reads one device. Throws <see cref="JsonException"/> for what is not one.</summary>
    public static DeviceConfig ReadDevice(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        try
        {
            return ReadPlaced(document.RootElement);
        }
        catch (Exception wrong) when (wrong is InvalidOperationException or FormatException or ArgumentException or System.Collections.Generic.KeyNotFoundException)
        {
            throw new JsonException($"A property is missing or of the wrong kind: {wrong.Message}", wrong);
        }
    }

    private static DeviceConfig ReadPlaced(JsonElement device)
    {
        DeviceConfig config = ReadDevice(device);
        return OptionalNumber(device, "PciSlot") is not int slot ? config
            : slot is >= 1 and <= 30 ? config with { PciSlot = slot } : throw new FormatException($"{slot} is no PCI slot.");
    }

    private static MachineDefinition ReadDefinition(JsonElement root)
    {
        JsonElement cpus = root.GetProperty("Cpus");
        JsonElement cpu = root.GetProperty("Cpu");
        JsonElement boot = root.GetProperty("Boot");
        JsonElement list = root.GetProperty("Devices");
        DeviceConfig[] devices = new DeviceConfig[list.GetArrayLength()];
        for (int index = 0; index < devices.Length; index++) devices[index] = ReadPlaced(list[index]);
        return new MachineDefinition
        {
            Name = Text(root, "Name"),
            MemoryBytes = root.GetProperty("MemoryBytes").GetUInt64(),
            PluggableBytes = root.TryGetProperty("PluggableBytes", out JsonElement pluggable) ? pluggable.GetUInt64() : 0,
            Cpus = new CpuTopology(cpus.GetProperty("Sockets").GetInt32(), cpus.GetProperty("Cores").GetInt32(), cpus.GetProperty("Threads").GetInt32(), cpus.GetProperty("Dies").GetInt32()),
            AbsentVcpus = root.TryGetProperty("AbsentVcpus", out JsonElement absent) ? absent.GetUInt64() : 0,
            NumaNodes = ReadList(root, "NumaNodes", ReadNode),
            NumaDistances = ReadList(root, "NumaDistances", static one => new NumaDistance(one.GetProperty("From").GetInt32(), one.GetProperty("To").GetInt32(), one.GetProperty("Value").GetInt32())),
            NumaAccesses = ReadList(root, "NumaAccesses", static one => new NumaAccess(one.GetProperty("Initiator").GetInt32(), one.GetProperty("Target").GetInt32(), one.GetProperty("LatencyNanoseconds").GetInt32(), one.GetProperty("BandwidthMegabytes").GetInt32())),
            Cpu = new CpuModel(Text(cpu, "Name"), Texts(cpu, "Added"), Texts(cpu, "Removed")),
            Engine = Text(root, "Engine") switch
            {
                nameof(EngineChoice.Auto) => EngineChoice.Auto,
                nameof(EngineChoice.Kvm) => EngineChoice.Kvm,
                nameof(EngineChoice.Software) => EngineChoice.Software,
                string other => throw new FormatException($"'{other}' is no engine."),
            },
            Boot = boot.ValueKind == JsonValueKind.Null ? null : new KernelBoot(Text(boot, "KernelPath"), OptionalText(boot, "InitrdPath"), Text(boot, "CommandLine")),
            Devices = ImmutableArray.Create(devices),
            OemStrings = root.TryGetProperty("OemStrings", out _) ? Texts(root, "OemStrings") : [],
            Placement = root.TryGetProperty("Placement", out JsonElement placement) ? ReadPlacement(placement) : Placement.Anywhere,
            Vnc = root.TryGetProperty("Vnc", out JsonElement vnc) && vnc.ValueKind != JsonValueKind.Null ? VncJson.Read(vnc) : null,
            NoReboot = Flag(root, "NoReboot"),
            Json = Flag(root, "Json"),
        };
    }

    private static NumaNode ReadNode(JsonElement node) => new(Text(node, "Cpus"), node.GetProperty("MemoryBytes").GetUInt64(), OptionalText(node, "HostMemory"))
    {
        Mergeable = OptionalFlag(node, "Mergeable"),
        TransparentHugePages = OptionalFlag(node, "TransparentHugePages"),
    };

    private static Placement ReadPlacement(JsonElement placement)
    {
        JsonElement list = placement.GetProperty("VcpuPins");
        VcpuPin[] pins = new VcpuPin[list.GetArrayLength()];
        for (int index = 0; index < pins.Length; index++) pins[index] = new VcpuPin(list[index].GetProperty("Vcpu").GetInt32(), Text(list[index], "Cpus"));
        return new Placement
        {
            VcpuPins = ImmutableArray.Create(pins),
            PinAuto = Flag(placement, "PinAuto"),
            EmulatorCpus = OptionalText(placement, "EmulatorCpus"),
            Scheduler = OptionalText(placement, "Scheduler"),
            ControlGroup = OptionalText(placement, "ControlGroup"),
            HugePageBytes = placement.GetProperty("HugePageBytes").GetUInt64(),
            TransparentHugePages = Flag(placement, "TransparentHugePages"),
            Mergeable = Flag(placement, "Mergeable"),
            Locked = Flag(placement, "Locked"),
            Prealloc = Flag(placement, "Prealloc"),
            Numa = OptionalText(placement, "Numa"),
        };
    }

    private static DeviceConfig ReadDevice(JsonElement device)
    {
        string id = Text(device, "Id");
        return Text(device, "type") switch
        {
            "platform" => new PlatformConfig(id, ReadKind(OptionalText(device, "Machine")), Flag(device, "Hpet")),
            "serial" => new SerialConfig(id, device.GetProperty("Port").GetInt32(), ReadBackend(device.GetProperty("Backend"))),
            "firmware" => FirmwareJson.Read(id, device),
            "ahci" => new AhciConfig(id, DiskJson.ReadDrives(device)),
            "ide" => new IdeConfig(id, DiskJson.ReadDrives(device)),
            "debugcon" => new DebugConsoleConfig(id, ReadBackend(device.GetProperty("Backend")), device.GetProperty("Port").GetUInt16()),
            "virtio-scsi" => DiskJson.ReadScsi(id, device),
            "virtio-blk" => DiskJson.Read(id, device),
            "virtio-console" => new VirtioConsoleConfig(id, ReadBackend(device.GetProperty("Backend"))),
            "virtio-serial" => SerialPortJson.Read(id, device),
            "virtio-input" => new VirtioInputConfig(id, ReadInputKind(Text(device, "Kind"))),
            "vsock" => new VirtioVsockConfig(id, device.GetProperty("Cid").GetUInt32(), Text(device, "Path")),
            "vhost-user-fs" => new VhostUserFsConfig(id, Text(device, "Path"), Text(device, "Tag"), device.GetProperty("QueueSize").GetInt32()),
            "vhost-user-blk" => new VhostUserBlockConfig(id, Text(device, "Path")),
            "vfio-pci" => new VfioPciConfig(id, Text(device, "Host"), OptionalText(device, "RomPath"), Flag(device, "HasRom")),
            "virtio-gpu" => new VirtioGpuConfig(id, device.GetProperty("Width").GetInt32(), device.GetProperty("Height").GetInt32()),
            "virtio-rng" => new VirtioRngConfig(id),
            "virtio-balloon" => new VirtioBalloonConfig(id, Flag(device, "DeflateOnOom"), Flag(device, "FreePageReporting")),
            "virtio-mem" => new VirtioMemConfig(id),
            "virtio-net" or "e1000" or "rtl8139" => NetJson.Read(id, Text(device, "type"), device),
            "debug-exit" => new DebugExitConfig(id, device.GetProperty("Port").GetUInt16(), device.GetProperty("SizeBytes").GetInt32()),
            "xhci" or "uhci" or "ehci" => UsbJson.Read(id, Text(device, "type"), device),
            "i6300esb" or "pvpanic" => AlarmJson.Read(id, Text(device, "type"), device),
            "vmgenid" => new VmGenIdConfig(id, OptionalText(device, "First") is string first ? Guid.Parse(first) : null),
            "vmclock" => new VmClockConfig(id),
            "tpm-crb" => new TpmCrbConfig(id, Text(device, "Path")),
            "test-dev" => new TestDeviceConfig(id),
            "vga" => new VgaConfig(id, device.GetProperty("MemoryMiB").GetInt32(), OptionalText(device, "RomPath")),
            "ps2-input" => new Ps2InputConfig(id),
            string other => throw new FormatException($"'{other}' is no device type."),
        };
    }

    private static MachineKind ReadKind(string? kind) => kind switch
    {
        null or nameof(MachineKind.Q35) => MachineKind.Q35,
        nameof(MachineKind.Pc) => MachineKind.Pc,
        _ => throw new FormatException($"'{kind}' is no kind of machine."),
    };

    private static VirtioInputKind ReadInputKind(string kind) => kind switch
    {
        nameof(VirtioInputKind.Keyboard) => VirtioInputKind.Keyboard,
        nameof(VirtioInputKind.Mouse) => VirtioInputKind.Mouse,
        nameof(VirtioInputKind.Tablet) => VirtioInputKind.Tablet,
        _ => throw new FormatException($"'{kind}' is no input device."),
    };

    private static CharacterBackend ReadBackend(JsonElement backend) => new(Text(backend, "Kind") switch
    {
        nameof(CharacterBackendKind.None) => CharacterBackendKind.None,
        nameof(CharacterBackendKind.Stdio) => CharacterBackendKind.Stdio,
        nameof(CharacterBackendKind.File) => CharacterBackendKind.File,
        nameof(CharacterBackendKind.Unix) => CharacterBackendKind.Unix,
        nameof(CharacterBackendKind.Pty) => CharacterBackendKind.Pty,
        string other => throw new FormatException($"'{other}' is no character back end."),
    }, OptionalText(backend, "Path"));

    /// <summary>A property that is a text. Throws what <see cref="JsonElement"/> throws.</summary>
    internal static string Text(JsonElement parent, string name) =>
        parent.GetProperty(name).GetString() ?? throw new FormatException($"{name} is null.");

    /// <summary>A property that may be missing or null.</summary>
    internal static string? OptionalText(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    /// <summary>A truth value that is false where it is missing.</summary>
    internal static bool Flag(JsonElement parent, string name) => parent.TryGetProperty(name, out JsonElement value) && value.GetBoolean();

    // A truth value that may be missing or null.
    private static bool? OptionalFlag(JsonElement parent, string name) => parent.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value.GetBoolean() : null;

    /// <summary>A number that may be missing or null.</summary>
    internal static int? OptionalNumber(JsonElement parent, string name) =>
        parent.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value.GetInt32() : null;

    // A list that may be missing.
    private static ImmutableArray<T> ReadList<T>(JsonElement parent, string name, Func<JsonElement, T> read)
    {
        if (!parent.TryGetProperty(name, out JsonElement list)) return [];
        ImmutableArray<T>.Builder items = ImmutableArray.CreateBuilder<T>(list.GetArrayLength());
        foreach (JsonElement element in list.EnumerateArray()) items.Add(read(element));
        return items.MoveToImmutable();
    }

    private static ImmutableArray<string> Texts(JsonElement parent, string name)
    {
        JsonElement list = parent.GetProperty(name);
        string[] texts = new string[list.GetArrayLength()];
        for (int index = 0; index < texts.Length; index++) texts[index] = list[index].GetString() ?? throw new FormatException($"{name} holds null.");
        return ImmutableArray.Create(texts);
    }
}
