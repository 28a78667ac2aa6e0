using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using static Hutch.Devices.Pci.PciRegisters;

namespace Hutch.Devices.Vfio;

/// <summary>
/// The capabilities of a device of the host that the guest sees (PCI Local Bus 3.0 §6.7): those that mean to a guest what they mean to the host. Others would let it move what only the
/// host may, such as where registers are (enhanced allocation), or are of buses that it does not have; they are left out of the list. Extended configuration space has none.
/// </summary>
internal static class VfioCapabilities
{
    /// <summary>Identifiers (PCI Code and ID Assignment 1.11 §2).</summary>
    internal const byte Power = 0x01, Product = 0x03, Msi = 0x05, Sata = 0x12, Advanced = 0x13;

    private const int MostCapabilities = 48;

    /// <summary>Where they are and which, in the order of the device's list. What is not well formed is not there.</summary>
    internal static IReadOnlyList<(int Offset, byte Id)> Find(ReadOnlySpan<byte> config)
    {
        List<(int, byte)> found = [];
        if ((config[Status] & StatusCapabilities) == 0) return found;
        int at = config[CapabilityPointer] & ~3;
        for (int i = 0; i < MostCapabilities && at >= FirstCapability; i++)
        {
            byte id = config[at];
            if (LengthOf(config, at) is int length and > 0 && at + length <= ConventionalBytes) found.Add((at, id));
            at = config[at + 1] & ~3;
        }
        return found;
    }

    /// <summary>Bytes of a capability that are looked at; 0: the guest does not see it.</summary>
    private static int LengthOf(ReadOnlySpan<byte> config, int at) => config[at] switch
    {
        Power => 8,
        Product => 8,
        Msi => VfioMsi.LengthOf(BinaryPrimitives.ReadUInt16LittleEndian(config[(at + 2)..])),
        CapabilityVendor => 3,
        CapabilityExpress => (config[at + 2] & 15) >= 2 ? 0x3c : 0x14,
        CapabilityMsix => 12,
        Sata => 8,
        Advanced => 6,
        _ => 0,
    };
}
