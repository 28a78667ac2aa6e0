using System;
using Hutch.Host.Networks;

namespace Hutch.Cli.Commands;

/// <summary>The network of a machine whose user did not say: one in user space where the host can have it.</summary>
internal static class DefaultNetwork
{
    /// <summary>The value of <c>--net</c>.</summary>
    internal static string Choose(Action<string> say)
    {
        if (SlirpLibrary.IsInstalled) return "user";
        say("The machine has no network, because this host has no libslirp; install the package libslirp0, or say --net none.");
        return "none";
    }
}
