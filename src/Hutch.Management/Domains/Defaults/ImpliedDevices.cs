using System.Collections.Generic;
using System.Linq;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains.Defaults;

/// <summary>Devices that every machine has, or that belong to a display.</summary>
internal static class ImpliedDevices
{
    internal static void Add(List<DomainDevice> devices, DomainDefinition domain)
    {
        AddInput(devices, "mouse");
        AddInput(devices, "keyboard");
        if (devices.OfType<GraphicsDevice>().Any() && !devices.OfType<VideoDevice>().Any()) devices.Add(new VideoDevice { Model = "vga", VramKib = 16384, Heads = 1, Primary = true });
        if (!devices.OfType<AudioDevice>().Any()) devices.Add(new AudioDevice { Id = 1, Type = "none" });
        NumberAudio(devices);
        if (!devices.OfType<BalloonDevice>().Any()) devices.Add(new BalloonDevice { Model = "virtio" });
        ControllerDefaults.AddRoots(devices, DomainDefaults.IsExpress(domain));
    }

    private static void AddInput(List<DomainDevice> devices, string type)
    {
        if (!devices.OfType<InputDevice>().Any(input => input.Type == type && input.Bus == "ps2")) devices.Add(new InputDevice { Type = type, Bus = "ps2" });
    }

    private static void NumberAudio(List<DomainDevice> devices)
    {
        uint next = 1;
        for (int i = 0; i < devices.Count; i++)
        {
            if (devices[i] is not AudioDevice { Id: null } audio) continue;
            while (devices.OfType<AudioDevice>().Any(other => other.Id == next)) next++;
            devices[i] = audio with { Id = next++ };
        }
    }
}
