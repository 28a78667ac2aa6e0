using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains.Plan;

/// <summary>Devices that are like nothing else, and those that no machine has.</summary>
internal static class OtherDevicePlan
{
    internal static void Add(PlanBuilder builder)
    {
        foreach (DomainDevice device in builder.Definition.Devices)
            if (ConfigOf(device, builder.Places) is { } config) builder.Devices.Add(config);
    }

    private static DeviceConfig? ConfigOf(DomainDevice device, PlanPlaces places) => device switch
    {
        BalloonDevice { Model: "none" } => null,
        BalloonDevice balloon => new VirtioBalloonConfig(balloon.Alias ?? "balloon0", balloon.AutoDeflate == true, balloon.FreePageReporting == true),
        EntropyDevice { BackendModel: "random" or "builtin" } source => new VirtioRngConfig(source.Alias ?? "rng0"),
        WatchdogDevice { Model: "i6300esb" } watchdog => new WatchdogConfig(watchdog.Alias ?? "watchdog0", watchdog.Action switch
        {
            null or "reset" => AlarmAction.Reset,
            "shutdown" or "poweroff" => AlarmAction.PowerOff,
            "pause" => AlarmAction.Pause,
            "none" => AlarmAction.None,
            _ => throw MachinePlan.Refuse($"the watchdog's action '{watchdog.Action}'", "there are reset, poweroff, pause and none"),
        }),
        PanicDevice { Model: null or "isa" } panic => new PvpanicConfig(panic.Alias ?? "panic0"),
        VsockDevice { Cid: { } address } vsock => new VirtioVsockConfig(vsock.Alias ?? "vsock0", address, $"{places.Folder}/vsock.sock"),
        AudioDevice { Type: "none" } or GraphicsDevice or VideoDevice or InputDevice or DiskDevice or InterfaceDevice or CharacterDevice or ControllerDevice => null,
        _ => throw MachinePlan.Refuse($"the device {NameOf(device)}", "leave it out"),
    };

    private static string NameOf(DomainDevice device) => device switch
    {
        EntropyDevice source => $"<rng> with the backend '{source.BackendModel}'",
        WatchdogDevice watchdog => $"<watchdog> '{watchdog.Model}'",
        PanicDevice panic => $"<panic> '{panic.Model}'",
        SoundDevice sound => $"<sound> '{sound.Model}'",
        AudioDevice audio => $"<audio> of type '{audio.Type}'",
        TpmDevice => "<tpm>",
        HostDevice => "<hostdev>",
        FilesystemDevice => "<filesystem>",
        RedirectedDevice => "<redirdev>",
        MemoryDevice => "<memory>",
        IommuDevice => "<iommu>",
        VsockDevice => "<vsock> without an address",
        _ => $"<{device.GetType().Name}>",
    };
}
