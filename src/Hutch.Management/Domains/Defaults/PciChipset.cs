using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Places that chipsets give to what they have: PIIX3 of <c>pc</c>, ICH9 of <c>q35</c>; and the first graphics card's.</summary>
internal static class PciChipset
{
    private const int IchBridge = 0x1F, IchAudio = 0x1B;

    internal static void Place(PciAddresses addresses, bool isExpress)
    {
        if (isExpress) PlaceIch9(addresses);
        else PlacePiix3(addresses);
    }

    private static void PlacePiix3(PciAddresses addresses)
    {
        addresses.Reserve(1, 0);
        addresses.Reserve(1, 3);
        for (int i = 0; i < addresses.Devices.Count; i++)
        {
            switch (addresses.Devices[i])
            {
                case ControllerDevice { Type: "ide", Index: 0, Address: null } ide:
                    if (!addresses.TryReserve(1, 1)) throw DomainDefaults.Bad("PCI Address 0000:00:01.1 is in use, and the primary IDE controller must have it");
                    addresses.Devices[i] = ide with { Address = new PciAddress(0, 0, 1, 1) };
                    break;
                case ControllerDevice { Type: "usb", Index: 0, Model: "piix3-uhci" }:
                    addresses.Place(i, 1, 2);
                    break;
                case VideoDevice { Primary: true } when addresses.IsRootSlotFree(2):
                    addresses.Place(i, 2, 0);
                    break;
                default:
                    break;
            }
        }
    }

    private static void PlaceIch9(PciAddresses addresses)
    {
        addresses.Reserve(IchBridge, 0);
        addresses.Reserve(IchBridge, 3);
        for (int i = 0; i < addresses.Devices.Count; i++)
        {
            switch (addresses.Devices[i])
            {
                case ControllerDevice { Type: "sata", Index: 0 }:
                    addresses.Place(i, IchBridge, 2);
                    break;
                case ControllerDevice { Type: "usb", Index: 0 or 1 } usb when ControllerDefaults.IsUsb2(usb):
                    addresses.Place(i, usb.Index == 0 ? 0x1D : 0x1A, FunctionOf(usb));
                    break;
                case VideoDevice { Primary: true } when addresses.IsRootSlotFree(1):
                    addresses.Place(i, 1, 0);
                    break;
                case SoundDevice { Model: "ich9" } when addresses.IsRootSlotFree(IchAudio):
                    addresses.Place(i, IchAudio, 0);
                    break;
                default:
                    break;
            }
        }
    }

    /// <summary>The function that a controller of ICH9's USB has.</summary>
    internal static int FunctionOf(ControllerDevice controller) => controller.Model switch { "ich9-uhci1" => 0, "ich9-uhci2" => 1, "ich9-uhci3" => 2, _ => 7 };
}
