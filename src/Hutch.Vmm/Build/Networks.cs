using System;
using System.IO;
using Hutch.Devices;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Host.Time;
using Hutch.Net;

namespace Hutch.Vmm.Build;

/// <summary>Opens the back ends of network cards, and sees that no two cards of this user's machines have one address.</summary>
/// <param name="machine">The machine's name, for those who want an address of its; null: addresses are not claimed.</param>
/// <param name="clock">Time of the host.</param>
/// <param name="say">Tells the user what was chosen for him.</param>
internal sealed class Networks(string? machine, IClock clock, Action<string> say)
{
    /// <summary>Beside the directories of the machines; none can have this name.</summary>
    private const string ClaimsDirectory = ".mac";

    /// <summary>For machines that nobody else sees.</summary>
    internal static Networks Unclaimed { get; } = new(null, new MonotonicClock(), static _ => { });

    /// <summary>Opens one. Throws <see cref="ConfigException"/>.</summary>
    internal INetBackend Open(NetworkRequest request)
    {
        LockFile? claim = machine is null ? null : Claim(machine, request);
        try
        {
            INetBackend backend = NetBackends.Open(request.Backend, request.MtuBytes, request.Queues, clock, say);
            return claim is null ? backend : new ClaimedBackend(backend, claim);
        }
        catch (NetException refused)
        {
            claim?.Dispose();
            throw new ConfigException(refused.Message, refused);
        }
    }

    private static LockFile Claim(string name, NetworkRequest request)
    {
        string root = RuntimeDirectory.Of("hutch"), path = Path.Combine(root, ClaimsDirectory, request.Mac.ToLowerInvariant().Replace('-', ':'));
        try
        {
            RuntimeDirectory.Create(root);
            RuntimeDirectory.Create(Path.Combine(root, ClaimsDirectory));
            LockFile claim = LockFile.TryTake(path) ?? throw new ConfigException(
                $"The network card {request.Card} cannot have the address {request.Mac}: {Owner(path)} has it; give it another with mac=.");
            File.WriteAllText(path, name);
            return claim;
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new ConfigException($"The address {request.Mac} of the network card {request.Card} cannot be claimed in {root} ({refused.Message.TrimEnd('.')}); set XDG_RUNTIME_DIR to a directory of your own.", refused);
        }
    }

    private static string Owner(string path)
    {
        try
        {
            string name = File.ReadAllText(path);
            return name.Length == 0 ? "another machine" : $"the machine '{name}'";
        }
        catch (IOException)
        {
            return "another machine";
        }
    }
}
