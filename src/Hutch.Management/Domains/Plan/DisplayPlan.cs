using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Hutch.Host.Firmware;
using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains.Plan;

/// <summary>The screen, where it is served, keyboards and pointers, and the USB controllers that these are on.</summary>
internal static class DisplayPlan
{
    private const string Nobody = "127.0.0.1";
    private const int MostDisplays = 1000;

    internal static void Add(PlanBuilder builder)
    {
        foreach (GraphicsDevice graphics in builder.All<GraphicsDevice>())
        {
            if (graphics.Type != "vnc" || builder.Vnc is not null) throw MachinePlan.Refuse(builder.Vnc is null ? $"graphics of type '{graphics.Type}'" : "a second <graphics>", "there is vnc, once");
            Serve(builder, graphics);
        }
        foreach (VideoDevice video in builder.All<VideoDevice>()) AddCard(builder, video);
        AddInputs(builder);
    }

    private static void Serve(PlanBuilder builder, GraphicsDevice graphics)
    {
        string? password = null;
        if (graphics.Password is { } word)
        {
            password = $"{builder.Places.Folder}/vnc-password";
            builder.Files.Add(new PlanFile(password, [.. Encoding.UTF8.GetBytes($"{word}\n")]));
        }
        GraphicsListen? listen = graphics.Listens.IsEmpty ? null : graphics.Listens[0];
        if ((graphics.Socket ?? listen?.Socket) is { } socket || listen is { Type: "socket" })
        {
            string path = graphics.Socket ?? listen?.Socket ?? $"{builder.Places.Folder}/vnc.sock";
            builder.Vnc = new VncConfig(null, 0, path, password);
            builder.Replace(graphics, graphics with { Listens = [new GraphicsListen("socket", null, null, path)] });
            return;
        }
        string host = graphics.Listen ?? listen?.Address ?? Nobody;
        int port = graphics.Port is { } named and > 0 && graphics.AutoPort != true ? named : FreePort(host);
        builder.Vnc = new VncConfig(host, port, null, password, WebSocketPort: graphics.WebSocket switch { null => null, > 0 and { } web => web, _ => port - VncConfig.FirstPort + VncConfig.FirstWebSocketPort });
        builder.Replace(graphics, graphics with { Port = port, AutoPort = graphics.AutoPort ?? true, Listen = host, Listens = [new GraphicsListen("address", host, null, null)] });
    }

    // Somebody may take it before the machine does; then that says so.
    private static int FreePort(string host)
    {
        if (!IPAddress.TryParse(host, out IPAddress? address)) throw new ManagementException(FailureKind.BadArgument, $"'{host}' is no address to serve a screen on; write one such as {Nobody}");
        for (int port = VncConfig.FirstPort; port < VncConfig.FirstPort + MostDisplays; port++)
        {
            try
            {
                using TcpListener trial = new(address, port);
                trial.Start();
                return port;
            }
            catch (SocketException taken) when (taken.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // The next one may be free.
            }
            catch (SocketException refused)
            {
                throw new ManagementException(FailureKind.HostFailed, $"a screen cannot be served on {host}: {refused.Message}");
            }
        }
        throw new ManagementException(FailureKind.HostFailed, $"{MostDisplays} ports from {VncConfig.FirstPort} of {host} are taken; name one that is free");
    }

    private static void AddCard(PlanBuilder builder, VideoDevice video)
    {
        string id = video.Alias ?? "video0";
        switch (video.Model)
        {
            case "none": break;
            case null or "vga" or "bochs": builder.Devices.Add(Vga(builder, id)); break;
            case "virtio":
                // A BIOS and what it boots know VGA alone; the guest's driver takes the screen over.
                if (builder.HasFirmware && !builder.IsUefi) builder.Devices.Add(Vga(builder, $"{id}-vga"));
                builder.Devices.Add(new VirtioGpuConfig(id));
                break;
            default: throw MachinePlan.Refuse($"the graphics card '{video.Model}'", "there are vga, bochs, virtio and none");
        }
    }

    private static VgaConfig Vga(PlanBuilder builder, string id)
    {
        const int UsualMiB = 16;
        string? rom = FirmwareFiles.VideoBios;
        if (rom is null && builder.HasFirmware && !builder.IsUefi)
            throw new ManagementException(FailureKind.HostFailed, $"the video BIOS is not installed (there is no {FirmwareFiles.UsualVideoBios}); install the package 'seabios'");
        return new VgaConfig(id, UsualMiB, rom);
    }

    private static void AddInputs(PlanBuilder builder)
    {
        List<UsbDeviceConfig> usb = [];
        bool hasPs2 = builder.Vnc is not null;
        foreach (InputDevice input in builder.All<InputDevice>())
        {
            string id = input.Alias ?? $"input-{input.Type}";
            switch ((input.Bus, input.Type))
            {
                case ("ps2", _): hasPs2 = true; break;
                case ("usb" or null, "tablet"): usb.Add(new UsbDeviceConfig(id, UsbDeviceKind.Tablet)); break;
                case ("usb", "keyboard"): usb.Add(new UsbDeviceConfig(id, UsbDeviceKind.Keyboard)); break;
                case ("virtio", "tablet"): builder.Devices.Add(new VirtioInputConfig(id, VirtioInputKind.Tablet)); break;
                case ("virtio", "keyboard"): builder.Devices.Add(new VirtioInputConfig(id, VirtioInputKind.Keyboard)); break;
                case ("virtio", "mouse"): builder.Devices.Add(new VirtioInputConfig(id, VirtioInputKind.Mouse)); break;
                default: throw MachinePlan.Refuse($"an input device '{input.Type}' on '{input.Bus}'", "there are ps2 keyboards and mice, usb tablets and keyboards, and virtio ones");
            }
        }
        if (hasPs2) builder.Devices.Add(new Ps2InputConfig("ps2"));
        AddUsb(builder, usb);
    }

    private static void AddUsb(PlanBuilder builder, List<UsbDeviceConfig> devices)
    {
        string? model = builder.All<ControllerDevice>().FirstOrDefault(static controller => controller is { Type: "usb", MasterStartPort: null })?.Model;
        if (model is null or "none" && devices.Count == 0) return;
        UsbControllerConfig controller = model switch
        {
            "ich9-ehci1" or "ehci" => new EhciConfig("usb", [.. devices]),
            "piix3-uhci" when builder.Kind == MachineKind.Pc => new UhciConfig("usb", UhciModel.Piix3, [.. devices]),
            "piix3-uhci" or "piix4-uhci" or "ich9-uhci1" => new UhciConfig("usb", UhciModel.Ich9, [.. devices]),
            null or "qemu-xhci" or "nec-xhci" => new XhciConfig("usb", [.. devices]),
            _ => throw MachinePlan.Refuse($"the USB controller '{model}'", "there are qemu-xhci, ich9-ehci1 and piix3-uhci"),
        };
        if (devices.Count > controller.PortCount) throw MachinePlan.Refuse($"more than {controller.PortCount} USB devices", "leave some out");
        builder.Devices.Add(controller);
    }
}
