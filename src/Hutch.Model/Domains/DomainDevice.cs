using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Hutch.Model.Domains;

/// <summary>A device of a domain.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "element")]
[JsonDerivedType(typeof(DiskDevice), "disk")]
[JsonDerivedType(typeof(ControllerDevice), "controller")]
[JsonDerivedType(typeof(FilesystemDevice), "filesystem")]
[JsonDerivedType(typeof(InterfaceDevice), "interface")]
[JsonDerivedType(typeof(CharacterDevice), "character")]
[JsonDerivedType(typeof(InputDevice), "input")]
[JsonDerivedType(typeof(TpmDevice), "tpm")]
[JsonDerivedType(typeof(GraphicsDevice), "graphics")]
[JsonDerivedType(typeof(AudioDevice), "audio")]
[JsonDerivedType(typeof(SoundDevice), "sound")]
[JsonDerivedType(typeof(VideoDevice), "video")]
[JsonDerivedType(typeof(HostDevice), "hostdev")]
[JsonDerivedType(typeof(RedirectedDevice), "redirdev")]
[JsonDerivedType(typeof(HubDevice), "hub")]
[JsonDerivedType(typeof(WatchdogDevice), "watchdog")]
[JsonDerivedType(typeof(BalloonDevice), "memballoon")]
[JsonDerivedType(typeof(EntropyDevice), "rng")]
[JsonDerivedType(typeof(PanicDevice), "panic")]
[JsonDerivedType(typeof(MemoryDevice), "memory")]
[JsonDerivedType(typeof(IommuDevice), "iommu")]
[JsonDerivedType(typeof(VsockDevice), "vsock")]
public abstract record DomainDevice
{
    /// <summary>Its name while the domain runs (<c>virtio-disk0</c>); of a definition only a client's own, which begins with <c>ua-</c>.</summary>
    public string? Alias { get; init; }

    /// <summary>Where it is; null: nowhere, or nowhere yet.</summary>
    public DeviceAddress? Address { get; init; }

    /// <summary>Its place among what is booted from, 1 first; null: not said.</summary>
    public uint? BootOrder { get; init; }

    /// <summary>Elements that are not modelled.</summary>
    public ImmutableArray<string> Kept { get; init; } = [];
}
