using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>What libvirt leaves out of a document for another host, because every host adds it.</summary>
internal static class MigratableXml
{
    internal static bool IsImplied(DomainDefinition domain, DomainDevice device) => device switch
    {
        ControllerDevice { Type: "usb", Index: 0, Model: null or "piix3-uhci" } => domain.Devices.OfType<ControllerDevice>().Count(static controller => controller.Type == "usb") == 1,
        ControllerDevice { Type: "pci", Index: 0, Model: "pci-root", Pci: null } => domain.Devices.OfType<ControllerDevice>().Count(static controller => controller.Type == "pci") == 1,
        InputDevice { Type: "keyboard", Bus: "ps2" } => true,
        AudioDevice { Id: 1, Type: "none" } => true,
        _ => false,
    };
}
