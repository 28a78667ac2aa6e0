using System;
using System.Linq;
using System.Text;
using System.Xml.Linq;

namespace Hutch.Dev.DomainXmlFuzz;

/// <summary>A recorded document that was damaged: as a tree, so that it is still XML, and sometimes as text. The same number damages the same.</summary>
internal sealed class DamagedDocument
{
    private static readonly string[] Values =
    [
        "", "0", "1", "-1", "2", "7", "31", "32", "255", "256", "65536", "4294967295", "4294967296", "18446744073709551615", "0x", "0xff", "0x1f", "yes", "no", "on", "off", "pci", "usb", "drive", "virtio", "scsi", "sata", "ide",
        "fdc", "vda", "sda", "hda", "hdz", "sdzzzzz", "vd0", "a&b'\"<>", "\n", "é", "none", "network", "bridge", "user", "direct", "unix", "tcp", "file", "null", "q35", "pc", "pc-q35-7.2", "serial", "console", "cdrom",
        "floppy", "pcie-root", "pci-root", "pcie-root-port", "pci-bridge", "pcie-to-pci-bridge", "dmi-to-pci-bridge", "qemu-xhci", "ich9-ehci1", "ich9-uhci1", "virtio-scsi", "spice", "host-model", "host-passthrough", "kvm",
    ];

    private readonly Random _random;
    private readonly XElement _other;

    internal DamagedDocument(int seed, string[] documents)
    {
        _random = new Random(seed);
        XElement root = XElement.Parse(documents[_random.Next(documents.Length)]);
        _other = XElement.Parse(documents[_random.Next(documents.Length)]);
        for (int damages = 1 + _random.Next(3); damages > 0; damages--) Damage(root);
        Text = root.ToString(SaveOptions.DisableFormatting);
        if (_random.Next(8) == 0) Text = DamageText(Text);
    }

    internal string Text { get; }

    private void Damage(XElement root)
    {
        XElement element = Any(root);
        switch (_random.Next(9))
        {
            case 0 when element.Parent is not null: element.Remove(); break;
            case 1 when element.Parent is not null: element.AddAfterSelf(new XElement(element)); break;
            case 2 when element.Parent is not null: Any(root).Add(new XElement(Any(_other))); break;
            case 4 when element.HasAttributes: RemoveAttribute(element); break;
            case 5 or 6 when element.HasAttributes: AnyOf(element).Value = Values[_random.Next(Values.Length)]; break;
            case 7 when !element.HasElements: element.Value = Values[_random.Next(Values.Length)]; break;
            default: Swap(element, Any(_other)); break;
        }
    }

    private XElement Any(XElement root)
    {
        XElement[] all = [.. root.DescendantsAndSelf()];
        return all[_random.Next(all.Length)];
    }

    private void RemoveAttribute(XElement element)
    {
        XAttribute attribute = AnyOf(element);
        if (attribute.Parent is not null) attribute.Remove();
    }

    private XAttribute AnyOf(XElement element)
    {
        XAttribute[] all = [.. element.Attributes().Where(static attribute => !attribute.IsNamespaceDeclaration)];
        return all.Length == 0 ? new XAttribute("none", "") : all[_random.Next(all.Length)];
    }

    /// <summary>An attribute of another element, or an element that another document has there.</summary>
    private void Swap(XElement element, XElement other)
    {
        if (other.FirstAttribute is { IsNamespaceDeclaration: false } attribute) element.SetAttributeValue(attribute.Name, attribute.Value);
        else if (element.Parent is not null && element.Name == other.Name) element.ReplaceWith(new XElement(other));
    }

    private string DamageText(string text)
    {
        StringBuilder damaged = new(text);
        for (int damages = 1 + _random.Next(3); damages > 0 && damaged.Length > 1; damages--)
        {
            int at = _random.Next(damaged.Length);
            if (_random.Next(2) == 0) damaged[at] = (char)_random.Next(128);
            else damaged.Remove(at, Math.Min(_random.Next(1, 20), damaged.Length - at));
        }
        return damaged.ToString();
    }
}
