using System;
using System.Buffers.Binary;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Sockets;
using Hutch.Host.Networks;
using Hutch.Model.Machine;

namespace Hutch.Net.UserMode;

/// <summary>Makes the settings of a user network from what the operator wrote.</summary>
internal static class UserSettings
{
    private const int HostNumber = 2, DnsNumber = 3, LeaseNumber = 15;

    // Leases, the host and the name server have numbers of their own in it.
    private const int LongestPrefix = 27, ShortestPrefix = 4;

    /// <summary>The settings. Throws <see cref="NetException"/>.</summary>
    internal static SlirpOptions Read(NetBackendConfig config, int mtuBytes)
    {
        (uint network, int prefix) = Network(config.Network);
        uint mask = uint.MaxValue << (32 - prefix);
        IPAddress Inside(string? text, int number, string option)
        {
            uint address = text is null ? network + (uint)number : Number(text, option);
            if ((address & mask) == network && address != network && address != (network | ~mask)) return Address(address);
            throw new NetException($"The address {text} for {option}= is not in the user network {config.Network}; give one that is, or another network with net=.");
        }
        IPAddress host = Inside(config.Host, HostNumber, "host"), dns = Inside(config.Dns, DnsNumber, "dns"), lease = Inside(config.DhcpStart, LeaseNumber, "dhcpstart");
        if (host.Equals(dns) || host.Equals(lease) || dns.Equals(lease))
            throw new NetException($"The gateway {host}, the name server {dns} and the first lease {lease} of a user network cannot be one address; set host=, dns= or dhcpstart= apart.");
        if (config.Tftp is not null && !Directory.Exists(config.Tftp))
            throw new NetException($"There is no directory {config.Tftp} for tftp=; name one that exists.");
        return new SlirpOptions
        {
            Network = Address(network),
            Netmask = Address(mask),
            Host = host,
            NameServer = dns,
            FirstLease = lease,
            HasIPv6 = !config.NoIPv6,
            IsRestricted = config.Restrict,
            ClientName = config.Hostname,
            TftpFolder = config.Tftp,
            BootFile = config.BootFile,
            MtuBytes = mtuBytes,
        };
    }

    /// <summary>An IPv4 address. Throws <see cref="NetException"/>.</summary>
    internal static IPAddress Parse(string text, string option) => Address(Number(text, option));

    private static (uint Network, int Prefix) Network(string text)
    {
        string[] parts = text.Split('/');
        if (parts.Length == 2 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int prefix) && prefix is >= ShortestPrefix and <= LongestPrefix)
            return (Number(parts[0], "net") & (uint.MaxValue << (32 - prefix)), prefix);
        throw new NetException($"'{text}' is no network for net=; write an IPv4 address and a prefix of {ShortestPrefix} to {LongestPrefix} bits, for example 10.0.2.0/24.");
    }

    private static uint Number(string text, string option)
    {
        Span<byte> bytes = stackalloc byte[4];
        // A text with fewer dots would be read as another address than its writer meant.
        if (text.Split('.').Length == 4 && IPAddress.TryParse(text, out IPAddress? address) && address.AddressFamily == AddressFamily.InterNetwork
            && address.TryWriteBytes(bytes, out _)) return BinaryPrimitives.ReadUInt32BigEndian(bytes);
        throw new NetException($"'{text}' is no IPv4 address for {option}=; write one like 10.0.2.2.");
    }

    private static IPAddress Address(uint number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return new IPAddress(bytes);
    }
}
