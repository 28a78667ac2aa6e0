using System;
using System.Collections.Generic;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>
/// Fills in what a client left out when a domain is defined, as libvirt 9.0 does with QEMU 7.2: clients compare what they wrote with what they read. What is said stays as it is; above all an address is never changed,
/// so that a guest finds its devices where they were. Filling in again changes nothing. Any thread.
/// </summary>
public static class DomainDefaults
{
    /// <summary>
    /// Returns the complete definition. Throws <see cref="ManagementException"/>: BadDocument where two devices claim the same address or name, Unsupported where the machine has no place for a device.
    /// </summary>
    public static DomainDefinition Fill(DomainDefinition domain, DefaultsSource source)
    {
        ArgumentNullException.ThrowIfNull(domain);
        ArgumentNullException.ThrowIfNull(source);
        domain = MachineDefaults.Fill(domain, source);
        List<DomainDevice> devices = [.. domain.Devices];
        DeviceDefaults.Fill(devices, domain, source);
        ImpliedDevices.Add(devices, domain);
        ControllerDefaults.Number(devices);
        ControllerDefaults.Add(devices, domain);
        DeviceOrder.Sort(devices);
        DriveAddresses.Assign(devices, domain);
        VirtioSerialAddresses.Assign(devices);
        PciAddresses.Assign(devices, domain);
        UsbAddresses.Assign(devices);
        UniqueNames.Check(devices);
        return domain with { Devices = [.. DeviceOrder.Grouped(devices)] };
    }

    /// <summary>
    /// Completes a device that is added to a complete domain: the domain with it. Of the devices, only the new one differs from before. Throws as <see cref="Fill"/>.
    /// </summary>
    public static DomainDefinition Add(DomainDefinition domain, DomainDevice device, DefaultsSource source)
    {
        ArgumentNullException.ThrowIfNull(domain);
        return Fill(domain with { Devices = [.. domain.Devices, device] }, source);
    }

    /// <summary>Whether the domain's machine is a q35, which has PCI Express.</summary>
    internal static bool IsExpress(DomainDefinition domain) => domain.Os.Machine is { } machine && (machine == "q35" || machine.StartsWith("pc-q35-", StringComparison.Ordinal));

    internal static ManagementException Bad(string message) => new(FailureKind.BadDocument, message);

    internal static ManagementException Unsupported(string message) => new(FailureKind.Unsupported, message);
}
