using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using System.Text.Json;
using Hutch.Devices;
using Hutch.Model.Control;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Run;

/// <summary>
/// Devices that come and go while the guest runs. The definition follows, with the slots in which devices are: what is saved must be built again as it was.
/// Called by the state driver; <see cref="Names"/> by any thread.
/// </summary>
internal sealed class DeviceChange(Machine machine, MachineDefinition definition)
{
    private volatile MachineDefinition _definition = definition;

    /// <summary>The machine as it is now.</summary>
    internal MachineDefinition Definition => _definition;

    /// <summary>The names of its devices.</summary>
    internal ImmutableArray<string> Names => [.. _definition.Devices.Select(static device => device.Id)];

    /// <summary>Plugs a device into a machine that is stopped for it. Throws <see cref="ConfigException"/>, with nothing changed.</summary>
    internal void Attach(IReadOnlyDictionary<string, string> options)
    {
        DeviceConfig config = Read(options);
        if (!config.IsPluggable)
            throw new ConfigException($"'{config.Id}' cannot be plugged into a running machine; virtio disks, network cards and entropy devices can.");
        if (_definition.Devices.Any(device => device.Id == config.Id)) throw new ConfigException($"The machine has a device '{config.Id}' already; give the new one another name with id=NAME.");
        if (machine.Hotplug is not { } hotplug) throw new ConfigException("The machine has no slots that devices can be plugged into while it runs.");
        machine.Attach(config);
        _definition = WithSlots(_definition with { Devices = _definition.Devices.Add(config) }, hotplug);
        hotplug.Announce(config.Id);
    }

    /// <summary>Asks the guest to give a device up. Throws <see cref="ConfigException"/>.</summary>
    internal void AskFor(IReadOnlyDictionary<string, string> options)
    {
        if (!options.TryGetValue("device", out string? name) || options.Count != 1) throw new ConfigException($"The verb '{VmVerb.Detach}' has the option 'device'.");
        if (_definition.Devices.All(device => device.Id != name)) throw new ConfigException($"There is no device '{name}'; the machine has {string.Join(", ", Names)}.");
        if (machine.Hotplug?.SlotOf(name) is null) throw new ConfigException($"'{name}' is part of the machine and stays as long as it runs.");
        machine.Hotplug.AskFor(name);
    }

    /// <summary>Changes the medium of a drive. The machine is stopped. Throws <see cref="ConfigException"/>, with nothing changed.</summary>
    internal void ChangeMedium(IReadOnlyDictionary<string, string> options)
    {
        if (!options.TryGetValue("drive", out string? name) || options.Keys.Any(static key => key is not ("drive" or "file" or "force")))
            throw new ConfigException($"The verb '{VmVerb.Media}' has the options 'drive', 'file' and 'force'.");
        IMediumDrive drive = Lookup.Find(machine.MediumDrives, static each => each.Name, name, "CD-ROM drive");
        if (drive.IsLocked && !options.ContainsKey("force"))
        {
            drive.PressEject();
            throw new ConfigException($"The guest keeps the disc in '{name}', which it may have mounted; it was asked to give it up: try again when it has, or take the disc away with --force.");
        }
        DiskConfig? medium = options.TryGetValue("file", out string? file) ? new DiskConfig(file, "raw", ReadOnly: true) : null;
        drive.Change(medium);
        _definition = _definition with { Devices = [.. _definition.Devices.Select(device => device.WithMedium(name, medium))] };
    }

    /// <summary>Gives up what the guest has given up. The machine is stopped.</summary>
    internal void TakeEjected()
    {
        while (machine.Hotplug?.TakeEjected() is string name)
        {
            machine.Detach(name);
            _definition = WithSlots(_definition with { Devices = _definition.Devices.RemoveAll(device => device.Id == name) }, machine.Hotplug);
        }
    }

    private static DeviceConfig Read(IReadOnlyDictionary<string, string> options)
    {
        if (!options.TryGetValue("device", out string? text) || options.Count != 1) throw new ConfigException($"The verb '{VmVerb.Attach}' has the option 'device'.");
        try
        {
            return MachineReader.ReadDevice(text);
        }
        catch (JsonException wrong)
        {
            throw new ConfigException($"The device to attach cannot be read: {wrong.Message}", wrong);
        }
    }

    private static MachineDefinition WithSlots(MachineDefinition definition, IHotplug hotplug) =>
        definition with { Devices = [.. definition.Devices.Select(device => device with { PciSlot = hotplug.SlotOf(device.Id) })] };
}
