using Hutch.Host.Trials;

namespace Hutch.Cli.Doctor;

/// <summary>The nodes for guests' networks.</summary>
internal static class DeviceChecks
{
    private const string Tun = "/dev/net/tun", VhostNet = "/dev/vhost-net";

    internal static FindingGroup Examine(HostFiles files, IHostTrials trials) => new("Network", [Interfaces(files, trials), Vhost(files, trials)]);

    private static Finding Interfaces(HostFiles files, IHostTrials trials)
    {
        Trial made = trials.MakeInterface(files.At(Tun));
        if (made.Works) return Finding.Ok("tun", $"this process may make network interfaces with {Tun}");
        // The node's own rights speak first: opening it and making an interface are two permissions.
        Trial opened = trials.OpenDevice(files.At(Tun));
        if (opened.Works)
            return Finding.Note("tun", $"{Tun} opens, but making an interface needs CAP_NET_ADMIN", "as root: ip tuntap add dev tap0 mode tap user USER makes one that this user may use");
        return opened.Errno switch
        {
            Trial.NoEntry => Finding.Missing("tun", $"there is no {Tun}", "modprobe tun; in a container: docker run --device /dev/net/tun"),
            Trial.NoDevice or Trial.NoDeviceOrAddress => Finding.Missing("tun", $"{Tun} has no driver behind it", "modprobe tun"),
            Trial.AccessDenied => Finding.Missing("tun", $"{Tun} is there, but not for this user", $"as root: chmod 666 {Tun} (making an interface needs CAP_NET_ADMIN still)"),
            Trial.NotPermitted => Finding.Missing("tun", $"{Tun} is there, but this process may not open devices", "docker run --device /dev/net/tun"),
            _ => Finding.Missing("tun", $"{Tun} does not open: {opened.Reason}"),
        };
    }

    private static Finding Vhost(HostFiles files, IHostTrials trials)
    {
        Trial asked = trials.Vhost(files.At(VhostNet));
        if (asked.Works) return Finding.Ok("vhost-net", $"{VhostNet} answers");
        return asked.Errno switch
        {
            Trial.NoEntry or Trial.NoDevice or Trial.NoDeviceOrAddress => Finding.Note("vhost-net", $"there is no vhost-net behind {VhostNet}", "modprobe vhost_net; in a container also: docker run --device /dev/vhost-net"),
            Trial.AccessDenied => Finding.Note("vhost-net", $"{VhostNet} is there, but not for this user", $"as root: chgrp kvm {VhostNet} && chmod 660 {VhostNet}, with this user in the group kvm"),
            _ => Finding.Note("vhost-net", $"{VhostNet} does not answer: {asked.Reason}"),
        };
    }
}
