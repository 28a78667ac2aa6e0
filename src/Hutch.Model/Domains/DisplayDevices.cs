using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>A display that viewers connect to: <c>graphics</c>. Null: not said.</summary>
public sealed record GraphicsDevice : DomainDevice
{
    /// <summary><c>vnc</c>; <c>spice</c>, <c>sdl</c>, <c>rdp</c>, <c>desktop</c>, <c>egl-headless</c>, <c>dbus</c> are kept and not served.</summary>
    public string Type { get; init; } = "vnc";

    /// <summary>TCP port; -1 or null with <see cref="AutoPort"/>: one that is free.</summary>
    public int? Port { get; init; }

    /// <summary>A port is found when the domain starts.</summary>
    public bool? AutoPort { get; init; }

    /// <summary>TCP port of a WebSocket; -1: one that is free.</summary>
    public int? WebSocket { get; init; }

    /// <summary>Path of a UNIX socket in the place of a port.</summary>
    public string? Socket { get; init; }

    /// <summary>Address to listen on: that of the first <see cref="Listens"/>.</summary>
    public string? Listen { get; init; }

    /// <summary>Keyboard of the viewer.</summary>
    public string? Keymap { get; init; }

    /// <summary><c>allow-exclusive</c>, <c>force-shared</c>, <c>ignore</c>.</summary>
    public string? SharePolicy { get; init; }

    /// <summary>The password.</summary>
    public string? Password { get; init; }

    /// <summary>Until when, as <c>2010-04-09T15:51:00</c> (UTC).</summary>
    public string? PasswordValidTo { get; init; }

    /// <summary>What becomes of viewers when the password changes: <c>keep</c>, <c>disconnect</c>, <c>fail</c>.</summary>
    public string? Connected { get; init; }

    /// <summary>Viewers may switch the machine off.</summary>
    public bool? PowerControl { get; init; }

    /// <summary>Where it listens.</summary>
    public ImmutableArray<GraphicsListen> Listens { get; init; } = [];

    /// <summary>Attributes of types that are not served, each as <c>name=value</c>.</summary>
    public ImmutableArray<string> Attributes { get; init; } = [];
}

/// <summary>Where a display listens.</summary>
/// <param name="Type"><c>address</c>, <c>network</c>, <c>socket</c>, <c>none</c>.</param>
/// <param name="Address">Of <c>address</c>; of <c>network</c> while the domain runs.</param>
/// <param name="Network">Of <c>network</c>.</param>
/// <param name="Socket">Path of <c>socket</c>.</param>
public sealed record GraphicsListen(string Type, string? Address, string? Network, string? Socket)
{
    /// <summary>The address is the host's default: it is printed only while the domain runs.</summary>
    public bool IsHostDefault { get; init; }
}

/// <summary>A graphics card: <c>video</c>. Null: not said.</summary>
public sealed record VideoDevice : DomainDevice
{
    /// <summary><c>vga</c>, <c>virtio</c>, <c>bochs</c>, <c>cirrus</c>, <c>qxl</c>, <c>ramfb</c>, <c>none</c>, ...</summary>
    public string? Model { get; init; }

    /// <summary>Video memory in KiB.</summary>
    public uint? VramKib { get; init; }

    /// <summary>QXL's first memory in KiB.</summary>
    public uint? RamKib { get; init; }

    /// <summary>QXL's 64-bit memory in KiB.</summary>
    public uint? Vram64Kib { get; init; }

    /// <summary>QXL's frame buffer in KiB.</summary>
    public uint? VgaMemoryKib { get; init; }

    /// <summary>Screens.</summary>
    public uint? Heads { get; init; }

    /// <summary>It is the first.</summary>
    public bool? Primary { get; init; }

    /// <summary>Resources of the host's memory.</summary>
    public bool? Blob { get; init; }

    /// <summary>Width that the guest is offered.</summary>
    public uint? Width { get; init; }

    /// <summary>Height that the guest is offered.</summary>
    public uint? Height { get; init; }

    /// <summary>3D acceleration is asked for; null: not said.</summary>
    public bool? Accel3d { get; init; }

    /// <summary>2D acceleration is asked for; null: not said.</summary>
    public bool? Accel2d { get; init; }

    /// <summary>virtio's transport.</summary>
    public VirtioOptions? Virtio { get; init; }
}

/// <summary>Where sound goes on the host: <c>audio</c>. It has no address.</summary>
public sealed record AudioDevice : DomainDevice
{
    /// <summary>Its number, from 1.</summary>
    public uint? Id { get; init; }

    /// <summary><c>none</c>, <c>alsa</c>, <c>pulseaudio</c>, ...</summary>
    public string Type { get; init; } = "none";

    /// <summary>Its other attributes, each as <c>name=value</c>.</summary>
    public ImmutableArray<string> Attributes { get; init; } = [];
}

/// <summary>A sound card: <c>sound</c>; its codecs are in <see cref="DomainDevice.Kept"/>.</summary>
public sealed record SoundDevice : DomainDevice
{
    /// <summary><c>ich6</c>, <c>ich9</c>, <c>ac97</c>, <c>usb</c>, ...</summary>
    public string Model { get; init; } = "";
}

/// <summary>A keyboard or pointer: <c>input</c>.</summary>
public sealed record InputDevice : DomainDevice
{
    /// <summary><c>mouse</c>, <c>tablet</c>, <c>keyboard</c>, <c>passthrough</c>, <c>evdev</c>.</summary>
    public string Type { get; init; } = "";

    /// <summary><c>ps2</c>, <c>usb</c>, <c>virtio</c>, ...; null: of the type.</summary>
    public string? Bus { get; init; }

    /// <summary><c>virtio</c>, <c>virtio-transitional</c>, <c>virtio-non-transitional</c>; null: not said.</summary>
    public string? Model { get; init; }

    /// <summary>virtio's transport.</summary>
    public VirtioOptions? Virtio { get; init; }
}
