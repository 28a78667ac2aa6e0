using System;
using System.Collections.Generic;
using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>What all devices have: <c>alias</c>, <c>boot</c>, <c>address</c>; and virtio's options.</summary>
internal static class DeviceInformationXml
{
    /// <summary>Ends the reading of a device.</summary>
    internal static T Complete<T>(this XmlSource source, T device, ElementTable table)
        where T : DomainDevice
    {
        device = device with
        {
            Alias = source.Child("alias")?.Required("name"),
            BootOrder = ReadBoot(source.Child("boot")),
            Address = source.Child("address") is { } address ? AddressXml.Read(address) : null,
        };
        return device with { Kept = source.Finish(table) };
    }

    private static uint? ReadBoot(XmlSource? boot)
    {
        if (boot is null) return null;
        uint order = boot.UInt("order", int.MaxValue) ?? throw XmlSource.Bad("missing boot order: the attribute 'order' of <boot>");
        return order != 0 ? order : throw XmlSource.Bad("incorrect boot order '0', expecting positive integer");
    }

    /// <summary>Adds it to a device, with what was kept, in the table's order.</summary>
    internal static XElement Complete(this XElement element, DomainDevice device, DomainXmlOptions options, ElementTable table)
    {
        foreach (XElement part in Parts(device, options)) element.Add(part);
        return table.Arrange(element, device.Kept);
    }

    private static IEnumerable<XElement> Parts(DomainDevice device, DomainXmlOptions options)
    {
        if (device.BootOrder is { } order) yield return new XElement("boot", new XAttribute("order", order));
        if (device.Alias is { } alias && (options.IsLive || alias.StartsWith("ua-", StringComparison.Ordinal))) yield return new XElement("alias", new XAttribute("name", alias));
        if (device.Address is { } address) yield return AddressXml.Write(address);
    }

    internal static VirtioOptions? ReadVirtio(XmlSource? driver)
    {
        if (driver is null) return null;
        VirtioOptions options = new(driver.OnOff("iommu"), driver.OnOff("ats"), driver.OnOff("packed"), driver.OnOff("page_per_vq"));
        return options == new VirtioOptions(null, null, null, null) ? null : options;
    }

    internal static IEnumerable<XAttribute?> WriteVirtio(VirtioOptions? options) =>
        options is null ? [] : [XmlShape.OnOff("iommu", options.Iommu), XmlShape.OnOff("ats", options.Ats), XmlShape.OnOff("packed", options.Packed), XmlShape.OnOff("page_per_vq", options.PagePerVq)];
}
