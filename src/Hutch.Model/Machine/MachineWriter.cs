using System;
using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>
/// Writes the JSON that <see cref="MachineReader"/> reads. Without the serializer, whose generic code is compiled anew in every process: it took half of
/// the time that the command needs to start a machine.
/// </summary>
public static class MachineWriter
{
    /// <summary>The definition as UTF-8.</summary>
    public static byte[] Write(MachineDefinition definition)
    {
        ArrayBufferWriter<byte> buffer = new(2048);
        using (Utf8JsonWriter writer = new(buffer)) WriteDefinition(writer, definition);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>One device as text.</summary>
    public static string WriteDevice(DeviceConfig device)
    {
        ArrayBufferWriter<byte> buffer = new(512);
        using (Utf8JsonWriter writer = new(buffer)) WriteDevice(writer, device);
        return System.Text.Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteDefinition(Utf8JsonWriter writer, MachineDefinition definition)
    {
        writer.WriteStartObject();
        writer.WriteString("Name", definition.Name);
        writer.WriteNumber("MemoryBytes", definition.MemoryBytes);
        if (definition.PluggableBytes != 0) writer.WriteNumber("PluggableBytes", definition.PluggableBytes);
        writer.WriteStartObject("Cpus");
        writer.WriteNumber("Sockets", definition.Cpus.Sockets);
        writer.WriteNumber("Cores", definition.Cpus.Cores);
        writer.WriteNumber("Threads", definition.Cpus.Threads);
        writer.WriteNumber("Dies", definition.Cpus.Dies);
        writer.WriteEndObject();
        if (definition.AbsentVcpus != 0) writer.WriteNumber("AbsentVcpus", definition.AbsentVcpus);
        if (!definition.NumaNodes.IsEmpty || !definition.NumaDistances.IsEmpty) WriteNuma(writer, definition);
        writer.WriteStartObject("Cpu");
        writer.WriteString("Name", definition.Cpu.Name);
        WriteTexts(writer, "Added", definition.Cpu.Added);
        WriteTexts(writer, "Removed", definition.Cpu.Removed);
        writer.WriteEndObject();
        writer.WriteString("Engine", definition.Engine switch
        {
            EngineChoice.Auto => nameof(EngineChoice.Auto),
            EngineChoice.Kvm => nameof(EngineChoice.Kvm),
            EngineChoice.Software => nameof(EngineChoice.Software),
            _ => throw new ArgumentOutOfRangeException(nameof(definition)),
        });
        if (definition.Boot is KernelBoot boot)
        {
            writer.WriteStartObject("Boot");
            writer.WriteString("KernelPath", boot.KernelPath);
            writer.WriteString("InitrdPath", boot.InitrdPath);
            writer.WriteString("CommandLine", boot.CommandLine);
            writer.WriteEndObject();
        }
        else writer.WriteNull("Boot");
        writer.WriteStartArray("Devices");
        foreach (DeviceConfig device in definition.Devices) WriteDevice(writer, device);
        writer.WriteEndArray();
        if (!definition.OemStrings.IsEmpty) WriteTexts(writer, "OemStrings", definition.OemStrings);
        if (definition.Placement != Placement.Anywhere) WritePlacement(writer, definition.Placement);
        if (definition.Vnc is VncConfig vnc) VncJson.Write(writer, vnc);
        writer.WriteBoolean("NoReboot", definition.NoReboot);
        writer.WriteBoolean("Json", definition.Json);
        writer.WriteEndObject();
    }

    private static void WriteNuma(Utf8JsonWriter writer, MachineDefinition definition)
    {
        writer.WriteStartArray("NumaNodes");
        foreach (NumaNode node in definition.NumaNodes)
        {
            writer.WriteStartObject();
            writer.WriteString("Cpus", node.Cpus);
            writer.WriteNumber("MemoryBytes", node.MemoryBytes);
            writer.WriteString("HostMemory", node.HostMemory);
            if (node.Mergeable is bool mergeable) writer.WriteBoolean("Mergeable", mergeable);
            if (node.TransparentHugePages is bool huge) writer.WriteBoolean("TransparentHugePages", huge);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteStartArray("NumaDistances");
        foreach (NumaDistance one in definition.NumaDistances)
        {
            writer.WriteStartObject();
            writer.WriteNumber("From", one.From);
            writer.WriteNumber("To", one.To);
            writer.WriteNumber("Value", one.Value);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteStartArray("NumaAccesses");
        foreach (NumaAccess one in definition.NumaAccesses)
        {
            writer.WriteStartObject();
            writer.WriteNumber("Initiator", one.Initiator);
            writer.WriteNumber("Target", one.Target);
            writer.WriteNumber("LatencyNanoseconds", one.LatencyNanoseconds);
            writer.WriteNumber("BandwidthMegabytes", one.BandwidthMegabytes);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    private static void WritePlacement(Utf8JsonWriter writer, Placement placement)
    {
        writer.WriteStartObject("Placement");
        writer.WriteStartArray("VcpuPins");
        foreach (VcpuPin pin in placement.VcpuPins)
        {
            writer.WriteStartObject();
            writer.WriteNumber("Vcpu", pin.Vcpu);
            writer.WriteString("Cpus", pin.Cpus);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
        writer.WriteBoolean("PinAuto", placement.PinAuto);
        writer.WriteString("EmulatorCpus", placement.EmulatorCpus);
        writer.WriteString("Scheduler", placement.Scheduler);
        writer.WriteString("ControlGroup", placement.ControlGroup);
        writer.WriteNumber("HugePageBytes", placement.HugePageBytes);
        writer.WriteBoolean("TransparentHugePages", placement.TransparentHugePages);
        writer.WriteBoolean("Mergeable", placement.Mergeable);
        writer.WriteBoolean("Locked", placement.Locked);
        writer.WriteBoolean("Prealloc", placement.Prealloc);
        writer.WriteString("Numa", placement.Numa);
        writer.WriteEndObject();
    }

    private static void WriteDevice(Utf8JsonWriter writer, DeviceConfig device)
    {
        writer.WriteStartObject();
        writer.WriteString("type", TypeOf(device));
        WriteSettings(writer, device);
        writer.WriteString("Id", device.Id);
        if (device.PciSlot is int slot) writer.WriteNumber("PciSlot", slot);
        writer.WriteEndObject();
    }

    private static string TypeOf(DeviceConfig device) => device switch
    {
        PlatformConfig => "platform",
        FirmwareConfig => "firmware",
        SerialConfig => "serial",
        VirtioBlockConfig => "virtio-blk",
        VirtioScsiConfig => "virtio-scsi",
        AhciConfig => "ahci",
        IdeConfig => "ide",
        UsbControllerConfig usb => UsbJson.TypeOf(usb),
        DebugConsoleConfig => "debugcon",
        VirtioConsoleConfig => "virtio-console",
        VirtioSerialConfig => "virtio-serial",
        VirtioInputConfig => "virtio-input",
        VirtioVsockConfig => "vsock",
        VhostUserFsConfig => "vhost-user-fs",
        VhostUserBlockConfig => "vhost-user-blk",
        VfioPciConfig => "vfio-pci",
        VirtioGpuConfig => "virtio-gpu",
        VirtioRngConfig => "virtio-rng",
        VirtioBalloonConfig => "virtio-balloon",
        VirtioMemConfig => "virtio-mem",
        NetCardConfig card => NetJson.TypeOf(card),
        DebugExitConfig => "debug-exit",
        WatchdogConfig => "i6300esb",
        PvpanicConfig => "pvpanic",
        VmGenIdConfig => "vmgenid",
        VmClockConfig => "vmclock",
        TpmCrbConfig => "tpm-crb",
        TestDeviceConfig => "test-dev",
        VgaConfig => "vga",
        Ps2InputConfig => "ps2-input",
        _ => throw new ArgumentException($"{device.GetType().Name} has no JSON.", nameof(device)),
    };

    private static void WriteSettings(Utf8JsonWriter writer, DeviceConfig device)
    {
        switch (device)
        {
            case PlatformConfig platform:
                if (platform.Machine == MachineKind.Pc) writer.WriteString("Machine", nameof(MachineKind.Pc));
                if (platform.Hpet) writer.WriteBoolean("Hpet", true);
                break;
            case FirmwareConfig firmware: FirmwareJson.Write(writer, firmware); break;
            case SerialConfig serial:
                writer.WriteNumber("Port", serial.Port);
                WriteBackend(writer, serial.Backend);
                break;
            case VirtioBlockConfig block: DiskJson.Write(writer, block); break;
            case VirtioScsiConfig scsi: DiskJson.Write(writer, scsi); break;
            case AhciConfig ahci: DiskJson.Write(writer, ahci.Drives); break;
            case IdeConfig ide: DiskJson.Write(writer, ide.Drives); break;
            case UsbControllerConfig usb: UsbJson.Write(writer, usb); break;
            case DebugConsoleConfig debug:
                writer.WriteNumber("Port", debug.Port);
                WriteBackend(writer, debug.Backend);
                break;
            case VirtioConsoleConfig console: WriteBackend(writer, console.Backend); break;
            case VirtioSerialConfig ports: SerialPortJson.Write(writer, ports); break;
            case VirtioInputConfig input: writer.WriteString("Kind", InputKind(input.Kind)); break;
            case VirtioVsockConfig vsock:
                writer.WriteNumber("Cid", vsock.Cid);
                writer.WriteString("Path", vsock.Path);
                break;
            case TpmCrbConfig tpm: writer.WriteString("Path", tpm.Path); break;
            case VhostUserFsConfig files:
                writer.WriteString("Path", files.Path);
                writer.WriteString("Tag", files.Tag);
                writer.WriteNumber("QueueSize", files.QueueSize);
                break;
            case VhostUserBlockConfig disk: writer.WriteString("Path", disk.Path); break;
            case VfioPciConfig host:
                writer.WriteString("Host", host.Host);
                writer.WriteString("RomPath", host.RomPath);
                writer.WriteBoolean("HasRom", host.HasRom);
                break;
            case VirtioGpuConfig gpu:
                writer.WriteNumber("Width", gpu.Width);
                writer.WriteNumber("Height", gpu.Height);
                break;
            case VirtioBalloonConfig balloon:
                writer.WriteBoolean("DeflateOnOom", balloon.DeflateOnOom);
                writer.WriteBoolean("FreePageReporting", balloon.FreePageReporting);
                break;
            case NetCardConfig card: NetJson.Write(writer, card); break;
            case DebugExitConfig exit:
                writer.WriteNumber("Port", exit.Port);
                writer.WriteNumber("SizeBytes", exit.SizeBytes);
                break;
            case WatchdogConfig watchdog: AlarmJson.Write(writer, watchdog.Action); break;
            case PvpanicConfig pvpanic: AlarmJson.Write(writer, pvpanic.Action); break;
            case VmGenIdConfig { First: Guid first }: writer.WriteString("First", first); break;
            case VmGenIdConfig: writer.WriteNull("First"); break;
            case VgaConfig vga:
                writer.WriteNumber("MemoryMiB", vga.MemoryMiB);
                writer.WriteString("RomPath", vga.RomPath);
                break;
        }
    }

    private static string InputKind(VirtioInputKind kind) => kind switch
    {
        VirtioInputKind.Keyboard => nameof(VirtioInputKind.Keyboard),
        VirtioInputKind.Mouse => nameof(VirtioInputKind.Mouse),
        VirtioInputKind.Tablet => nameof(VirtioInputKind.Tablet),
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    private static void WriteBackend(Utf8JsonWriter writer, CharacterBackend backend)
    {
        writer.WriteStartObject("Backend");
        writer.WriteString("Kind", backend.Kind switch
        {
            CharacterBackendKind.None => nameof(CharacterBackendKind.None),
            CharacterBackendKind.Stdio => nameof(CharacterBackendKind.Stdio),
            CharacterBackendKind.File => nameof(CharacterBackendKind.File),
            CharacterBackendKind.Unix => nameof(CharacterBackendKind.Unix),
            CharacterBackendKind.Pty => nameof(CharacterBackendKind.Pty),
            _ => throw new ArgumentOutOfRangeException(nameof(backend)),
        });
        writer.WriteString("Path", backend.Path);
        writer.WriteEndObject();
    }

    private static void WriteTexts(Utf8JsonWriter writer, string name, ImmutableArray<string> texts)
    {
        writer.WriteStartArray(name);
        foreach (string text in texts) writer.WriteStringValue(text);
        writer.WriteEndArray();
    }
}
