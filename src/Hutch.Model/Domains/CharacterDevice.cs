using System.Collections.Immutable;

namespace Hutch.Model.Domains;

/// <summary>A serial or parallel port, a console or a channel. A console of type <c>serial</c> is the first serial port once more.</summary>
public sealed record CharacterDevice : DomainDevice
{
    /// <summary>Its element: <c>serial</c>, <c>parallel</c>, <c>console</c> or <c>channel</c>.</summary>
    public string Kind { get; init; } = "serial";

    /// <summary>Its other end on the host.</summary>
    public CharacterSource Source { get; init; } = new();

    /// <summary>What it is to the guest: <c>isa-serial</c>, <c>serial</c>, <c>virtio</c>, <c>guestfwd</c>, ...; null: not said.</summary>
    public string? TargetType { get; init; }

    /// <summary>Its port; null: the next. Not of channels.</summary>
    public int? Port { get; init; }

    /// <summary>Device that a serial port is: <c>isa-serial</c>, <c>pci-serial</c>, <c>usb-serial</c>, ...</summary>
    public string? Model { get; init; }

    /// <summary>Name of a virtio channel: <c>org.qemu.guest_agent.0</c>.</summary>
    public string? ChannelName { get; init; }

    /// <summary>While the domain runs, whether the guest has opened the channel: <c>connected</c>, <c>disconnected</c>.</summary>
    public string? ChannelState { get; init; }

    /// <summary>Address of a <c>guestfwd</c>.</summary>
    public string? ForwardAddress { get; init; }
}

/// <summary>The host's end of a character device. Null: not said.</summary>
public sealed record CharacterSource
{
    /// <summary><c>pty</c>, <c>unix</c>, <c>file</c>, <c>tcp</c>, <c>udp</c>, <c>null</c>, <c>dev</c>, <c>pipe</c>, <c>stdio</c>, <c>vc</c>, <c>spicevmc</c>, <c>spiceport</c>, <c>nmdm</c>, <c>qemu-vdagent</c>, <c>dbus</c>.</summary>
    public string Type { get; init; } = "pty";

    /// <summary>Path; of a <c>pty</c> only while the domain runs.</summary>
    public string? Path { get; init; }

    /// <summary>Of <c>unix</c>, <c>tcp</c>: <c>bind</c> or <c>connect</c>.</summary>
    public string? Mode { get; init; }

    /// <summary>Of <c>file</c>: what is there already stays.</summary>
    public bool? Append { get; init; }

    /// <summary>Of <c>tcp</c>: host to listen on or to connect to.</summary>
    public string? Host { get; init; }

    /// <summary>Of <c>tcp</c>: port or service.</summary>
    public string? Service { get; init; }

    /// <summary>Of <c>tcp</c>: <c>raw</c>, <c>telnet</c>, <c>telnets</c>, <c>tls</c>.</summary>
    public string? Protocol { get; init; }

    /// <summary>Of <c>tcp</c>.</summary>
    public bool? Tls { get; init; }

    /// <summary>Channel of <c>spiceport</c>.</summary>
    public string? Channel { get; init; }

    /// <summary>Seconds between attempts to connect again.</summary>
    public uint? ReconnectSeconds { get; init; }

    /// <summary>Whether it connects again; null: not said.</summary>
    public bool? Reconnect { get; init; }

    /// <summary>A file that has all that is written.</summary>
    public string? LogFile { get; init; }

    /// <summary>What that file has already stays.</summary>
    public bool? LogAppend { get; init; }

    /// <summary>The <c>source</c> elements of <c>udp</c> and of types with options of their own, as XML text.</summary>
    public ImmutableArray<string> Xml { get; init; } = [];
}
