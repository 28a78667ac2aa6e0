using System.Xml.Linq;
using Hutch.Model.Domains;

namespace Hutch.Daemon.Libvirt.Xml;

/// <summary>Devices by their elements.</summary>
internal static class DeviceXml
{
    internal static DomainDevice Read(XmlSource source) => source.Name switch
    {
        "disk" => DiskXml.Read(source),
        "controller" => ControllerXml.Read(source),
        "filesystem" => FilesystemXml.Read(source),
        "interface" => InterfaceXml.Read(source),
        "serial" or "parallel" or "console" or "channel" => CharacterXml.Read(source),
        "input" => InputXml.Read(source),
        "tpm" => TpmXml.Read(source),
        "graphics" => GraphicsXml.Read(source),
        "audio" => SoundXml.ReadAudio(source),
        "sound" => SoundXml.Read(source),
        "video" => VideoXml.Read(source),
        "hostdev" => HostDeviceXml.Read(source),
        "redirdev" => HostDeviceXml.ReadRedirected(source),
        "hub" => HostDeviceXml.ReadHub(source),
        "watchdog" => PlatformXml.ReadWatchdog(source),
        "memballoon" => PlatformXml.ReadBalloon(source),
        "rng" => EntropyXml.Read(source),
        "panic" => PlatformXml.ReadPanic(source),
        "memory" => MemoryDeviceXml.Read(source),
        "iommu" => PlatformXml.ReadIommu(source),
        "vsock" => PlatformXml.ReadVsock(source),
        _ => throw XmlSource.Unsupported($"the element <{source.Name}> in <devices> is not supported"),
    };

    internal static XElement Write(DomainDevice device, DomainXmlOptions options) => device switch
    {
        DiskDevice disk => DiskXml.Write(disk, options),
        ControllerDevice controller => ControllerXml.Write(controller, options),
        FilesystemDevice filesystem => FilesystemXml.Write(filesystem, options),
        InterfaceDevice network => InterfaceXml.Write(network, options),
        CharacterDevice character => CharacterXml.Write(character, options),
        InputDevice input => InputXml.Write(input, options),
        TpmDevice tpm => TpmXml.Write(tpm, options),
        GraphicsDevice graphics => GraphicsXml.Write(graphics, options),
        AudioDevice audio => SoundXml.Write(audio),
        SoundDevice sound => SoundXml.Write(sound, options),
        VideoDevice video => VideoXml.Write(video, options),
        HostDevice host => HostDeviceXml.Write(host, options),
        RedirectedDevice redirected => HostDeviceXml.Write(redirected, options),
        HubDevice hub => HostDeviceXml.Write(hub, options),
        WatchdogDevice watchdog => PlatformXml.Write(watchdog, options),
        BalloonDevice balloon => PlatformXml.Write(balloon, options),
        EntropyDevice entropy => EntropyXml.Write(entropy, options),
        PanicDevice panic => PlatformXml.Write(panic, options),
        MemoryDevice memory => MemoryDeviceXml.Write(memory, options),
        IommuDevice iommu => PlatformXml.Write(iommu, options),
        VsockDevice vsock => PlatformXml.Write(vsock, options),
        _ => throw XmlSource.Unsupported($"a device of kind {device.GetType().Name} cannot be printed"),
    };

    private static string NameOf(DomainDevice device) => device switch
    {
        DiskDevice => "disk",
        ControllerDevice => "controller",
        FilesystemDevice => "filesystem",
        InterfaceDevice => "interface",
        CharacterDevice character => character.Kind,
        InputDevice => "input",
        TpmDevice => "tpm",
        GraphicsDevice => "graphics",
        AudioDevice => "audio",
        SoundDevice => "sound",
        VideoDevice => "video",
        HostDevice => "hostdev",
        RedirectedDevice => "redirdev",
        HubDevice => "hub",
        WatchdogDevice => "watchdog",
        BalloonDevice => "memballoon",
        EntropyDevice => "rng",
        PanicDevice => "panic",
        MemoryDevice => "memory",
        IommuDevice => "iommu",
        _ => "vsock",
    };

    /// <summary>Where a kind of device is printed.</summary>
    internal static int PlaceOf(DomainDevice device) => ElementTable.Devices.PlaceOf(NameOf(device));
}
