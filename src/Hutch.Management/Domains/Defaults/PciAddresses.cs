using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>
/// Addresses on PCI as libvirt gives them: what a chipset has is at its place, then kinds of devices in a fixed order take the first free port or slot. Ports and bridges that lack are added.
/// </summary>
internal sealed class PciAddresses
{
    private const int MostBuses = 256;

    private static readonly Func<DomainDevice, bool>[] Order =
    [
        static device => device is ControllerDevice { Type: "pci" },
        static device => device is FilesystemDevice,
        static device => device is InterfaceDevice,
        static device => device is SoundDevice,
        static device => device is ControllerDevice,
        static device => device is DiskDevice,
        static device => device is HostDevice,
        static device => device is BalloonDevice,
        static device => device is EntropyDevice,
        static device => device is WatchdogDevice,
        static device => device is VideoDevice,
        static device => device is InputDevice,
        static device => device is CharacterDevice,
        static _ => true,
    ];

    private readonly List<DomainDevice> _devices;
    private readonly DomainDefinition _domain;
    private readonly SortedDictionary<int, PciBus> _buses = [];

    private PciAddresses(List<DomainDevice> devices, DomainDefinition domain)
    {
        _devices = devices;
        _domain = domain;
        foreach (ControllerDevice controller in devices.OfType<ControllerDevice>().Where(static controller => controller.Type == "pci"))
            _buses.TryAdd(controller.Index ?? 0, new PciBus(controller.Index ?? 0, controller.Model));
    }

    internal static void Assign(List<DomainDevice> devices, DomainDefinition domain)
    {
        PciAddresses addresses = new(devices, domain);
        bool isExpress = DomainDefaults.IsExpress(domain);
        addresses.TakeSaid();
        PciChipset.Place(addresses, isExpress);
        addresses.PlaceAll();
        addresses.Complete();
        DeviceOrder.Sort(devices);
    }

    internal List<DomainDevice> Devices => _devices;

    private PciBus Root => _buses[0];

    private void TakeSaid()
    {
        foreach (DomainDevice device in _devices)
        {
            if (device.Address is not PciAddress address) continue;
            if (address.Domain != 0) throw DomainDefaults.Bad($"Invalid PCI address {Name(address)}: only PCI domain 0 is available");
            if (!_buses.TryGetValue(address.Bus, out PciBus? bus)) throw DomainDefaults.Bad($"Invalid PCI address {Name(address)}: there is no PCI controller with index {address.Bus}");
            if (!bus.Has(address)) throw DomainDefaults.Bad($"Invalid PCI address {Name(address)}: its bus has no slot {address.Slot}");
            if (!bus.TryTake(address.Slot, address.Function, IsPort(device))) throw DomainDefaults.Bad($"Attempted double use of PCI Address {Name(address)}");
        }
    }

    internal static string Name(PciAddress address) => $"{address.Domain:x4}:{address.Bus:x2}:{address.Slot:x2}.{address.Function:x}";

    private static bool IsPort(DomainDevice device) => device is ControllerDevice { Type: "pci", Model: "pcie-root-port" };

    /// <summary>Keeps a function of the root for what is no device of the domain. Nothing happens where a device claims it.</summary>
    internal void Reserve(int slot, int function) => _ = TryReserve(slot, function);

    /// <summary>Takes a function of the root. False: a device has it.</summary>
    internal bool TryReserve(int slot, int function) => Root.TryTake(slot, function, isPort: false);

    /// <summary>Gives a device a function of the root, where it wants one and that one is free.</summary>
    internal void Place(int index, int slot, int function)
    {
        if (!PciNeeds.IsWanted(_devices[index]) || !Root.TryTake(slot, function, isPort: false)) return;
        _devices[index] = _devices[index] with { Address = new PciAddress(0, 0, slot, function) };
    }

    internal bool IsRootSlotFree(int slot) => Root.IsFree(slot);

    private void PlaceAll()
    {
        foreach (Func<DomainDevice, bool> isNow in Order)
        {
            // What is added below is placed when it is added.
            int count = _devices.Count;
            for (int i = 0; i < count; i++)
                if (isNow(_devices[i]) && PciNeeds.IsWanted(_devices[i])) Place(i);
        }
    }

    private void Place(int index)
    {
        if (_devices[index] is ControllerDevice usb && ControllerDefaults.IsUsb2(usb))
        {
            PlaceUsb2(index, usb);
            return;
        }
        _devices[index] = _devices[index] with { Address = Next(PciNeeds.Of(_devices[index]), IsPort(_devices[index])) };
    }

    /// <summary>A USB 2 controller and its companions are functions of one slot.</summary>
    private void PlaceUsb2(int index, ControllerDevice controller)
    {
        PciAddress? sibling = _devices.OfType<ControllerDevice>().Where(other => ControllerDefaults.IsUsb2(other) && other.Index == controller.Index).Select(static other => other.Address).OfType<PciAddress>().FirstOrDefault();
        int function = PciChipset.FunctionOf(controller);
        if (sibling is not null && _buses[sibling.Bus].TryTake(sibling.Slot, function, isPort: false))
        {
            _devices[index] = controller with { Address = sibling with { Function = function, Multifunction = null } };
            return;
        }
        PciAddress free = Next(PciNeed.Conventional, isPort: false, function);
        _devices[index] = controller with { Address = free };
    }

    private PciAddress Next(PciNeed need, bool isPort, int function = 0)
    {
        if (need == PciNeed.RootPort && Root.IsExpressRoot)
        {
            if (Root.FreePort() is not { } port) throw Full();
            Root.TryTake(port.Slot, port.Function, isPort);
            return new PciAddress(0, 0, port.Slot, port.Function);
        }
        bool isOnPort = need == PciNeed.Express && Root.IsExpressRoot;
        foreach (PciBus bus in _buses.Values)
        {
            if (!(isOnPort ? bus.IsPort : bus.IsConventional) || bus.FreeSlot() is not { } slot) continue;
            bus.TryTake(slot, function, isPort: false);
            return new PciAddress(0, bus.Index, slot, function);
        }
        Grow(isOnPort);
        return Next(need, isPort, function);
    }

    /// <summary>Adds a port, or a bridge to conventional PCI.</summary>
    private void Grow(bool isOnPort)
    {
        string model = isOnPort ? "pcie-root-port" : Root.IsExpressRoot ? "pcie-to-pci-bridge" : "pci-bridge";
        // A bridge on the root of conventional PCI would need the slot that lacks.
        if (model == "pci-bridge") throw Full();
        DeviceAddress address = Next(isOnPort ? PciNeed.RootPort : PciNeed.Express, isOnPort);
        int index = 1;
        while (_buses.ContainsKey(index)) index++;
        if (index >= MostBuses) throw Full();
        _devices.Add(new ControllerDevice { Type = "pci", Index = index, Model = model, Address = address });
        _buses.Add(index, new PciBus(index, model));
    }

    private ManagementException Full() => DomainDefaults.Unsupported($"No more available PCI slots in domain '{_domain.Name}': it has too many devices, or needs another PCI controller");

    /// <summary>What follows from addresses: several functions, and what a bridge says of itself.</summary>
    private void Complete()
    {
        for (int i = 0; i < _devices.Count; i++)
        {
            if (_devices[i].Address is PciAddress { Function: 0, Multifunction: null } address && _buses[address.Bus].HasSeveral(address.Slot))
                _devices[i] = _devices[i] with { Address = address with { Multifunction = true } };
            if (_devices[i] is ControllerDevice { Type: "pci", Address: PciAddress place } controller) _devices[i] = controller with { Pci = Options(controller, place) };
        }
    }

    private static PciControllerOptions? Options(ControllerDevice controller, PciAddress place)
    {
        PciControllerOptions said = controller.Pci ?? new PciControllerOptions();
        uint index = (uint)(controller.Index ?? 0);
        return controller.Model switch
        {
            "pcie-root-port" => said with { ModelName = said.ModelName ?? "pcie-root-port", Chassis = said.Chassis ?? index, Port = said.Port ?? (uint)(place.Slot << 3 | place.Function) },
            "pci-bridge" => said with { ModelName = said.ModelName ?? "pci-bridge", ChassisNumber = said.ChassisNumber ?? index },
            "pcie-to-pci-bridge" => said with { ModelName = said.ModelName ?? "pcie-pci-bridge" },
            "dmi-to-pci-bridge" => said with { ModelName = said.ModelName ?? "i82801b11-bridge" },
            _ => controller.Pci,
        };
    }
}
