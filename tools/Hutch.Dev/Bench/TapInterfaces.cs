using System;
using Hutch.Cli.Guests;

namespace Hutch.Dev.Bench;

/// <summary>Tap interfaces of the host with an address each, for as long as a benchmark runs. Takes root.</summary>
internal sealed class TapInterfaces : IDisposable
{
    private readonly int _count;

    /// <summary>Makes them.</summary>
    internal TapInterfaces(int count)
    {
        for (; _count < count; _count++)
        {
            Ip("tuntap", "add", "dev", Name(_count), "mode", "tap", "vnet_hdr");
            Ip("address", "add", $"{HostAddress(_count)}/24", "dev", Name(_count));
            Ip("link", "set", Name(_count), "up");
        }
    }

    /// <summary>An interface's name.</summary>
    internal static string Name(int index) => $"hutchbench{index}";

    /// <summary>The host's address on it.</summary>
    internal static string HostAddress(int index) => $"10.78.{index}.1";

    /// <summary>The address that a guest is to take there.</summary>
    internal static string GuestAddress(int index) => $"10.78.{index}.2";

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int i = 0; i < _count; i++) Ip("tuntap", "del", "dev", Name(i), "mode", "tap");
    }

    private static void Ip(params string[] arguments) => HostProgram.Run("ip", arguments, "/");
}
