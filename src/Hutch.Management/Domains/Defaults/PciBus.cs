using System.Collections.Generic;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>A PCI bus and what of it is taken.</summary>
/// <param name="index">Of its controller.</param>
/// <param name="model">Model of its controller.</param>
internal sealed class PciBus(int index, string? model)
{
    private readonly Dictionary<int, (int Functions, bool ArePorts)> _slots = [];

    internal int Index => index;

    /// <summary>The root complex of PCI Express: devices that can be plugged are not put there.</summary>
    internal bool IsExpressRoot => model == "pcie-root";

    /// <summary>Devices of PCI Express, one each.</summary>
    internal bool IsPort => model is "pcie-root-port" or "pcie-switch-downstream-port";

    /// <summary>Slots of conventional PCI that devices are put into.</summary>
    internal bool IsConventional => model is "pci-root" or "pci-bridge" or "pcie-to-pci-bridge";

    private int FirstSlot => IsPort ? 0 : 1;

    private int LastSlot => IsPort ? 0 : 31;

    /// <summary>Whether the address can be on this bus.</summary>
    internal bool Has(PciAddress address) => address.Slot <= LastSlot && address.Slot >= (model is "pci-root" or "pcie-root" ? 1 : 0);

    /// <summary>Takes a function. False: it is taken.</summary>
    internal bool TryTake(int slot, int function, bool isPort)
    {
        (int functions, bool arePorts) = _slots.GetValueOrDefault(slot, (0, true));
        if ((functions & 1 << function) != 0) return false;
        _slots[slot] = (functions | 1 << function, arePorts && isPort);
        return true;
    }

    internal bool IsFree(int slot) => !_slots.ContainsKey(slot);

    internal bool HasSeveral(int slot) => _slots.GetValueOrDefault(slot).Functions is > 1;

    /// <summary>The first slot that nothing has; null: there is none.</summary>
    internal int? FreeSlot()
    {
        for (int slot = FirstSlot; slot <= LastSlot; slot++)
            if (IsFree(slot)) return slot;
        return null;
    }

    /// <summary>The first function of a slot that only ports have, or of a free one; null: there is none.</summary>
    internal (int Slot, int Function)? FreePort()
    {
        for (int slot = FirstSlot; slot <= LastSlot; slot++)
        {
            (int functions, bool arePorts) = _slots.GetValueOrDefault(slot, (0, true));
            if (!arePorts) continue;
            for (int function = 0; function < 8; function++)
                if ((functions & 1 << function) == 0) return (slot, function);
        }
        return null;
    }
}
