using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Management.Machines;
using Hutch.Model.Control;

namespace Hutch.Management.Domains;

/// <summary>
/// The domains are the machines that run, whoever started them: each has a control socket in a folder of its name. They are asked anew for every call, so that what this says
/// is what they do, also when they were started or ended beside it.
/// </summary>
/// <param name="folder">Where machines have their folders.</param>
public sealed class MachineDriver(string folder) : IDomainDriver
{
    // Ticks of the times in /proc/PID/stat: a hundred a second on every Linux (proc(5), sysconf(_SC_CLK_TCK)).
    private const ulong TickNanoseconds = 10_000_000;

    // The names of the machines at the last list, by UUID: where one is still right, that machine alone need be asked.
    private volatile Dictionary<Guid, string> _names = [];

    /// <summary>The machines of this user.</summary>
    public static MachineDriver OfThisUser() => new(RuntimeDirectory.Of("hutch"));

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<Domain>> ListAsync(CallContext context)
    {
        List<Domain> domains = [];
        foreach (string name in Names())
            if (await TryFindAsync(name, context.Cancellation).ConfigureAwait(false) is { } domain) domains.Add(domain);
        _names = domains.ToDictionary(domain => domain.Uuid, domain => domain.Name);
        return domains;
    }

    /// <inheritdoc/>
    public async ValueTask<Domain> FindAsync(CallContext context, string name) =>
        await TryFindAsync(name, context.Cancellation).ConfigureAwait(false) ?? throw new ManagementException(FailureKind.NoDomain, $"no domain with matching name '{name}'");

    /// <inheritdoc/>
    public async ValueTask<Domain> FindAsync(CallContext context, Guid uuid)
    {
        if (_names.TryGetValue(uuid, out string? name) && await TryFindAsync(name, context.Cancellation).ConfigureAwait(false) is { } known && known.Uuid == uuid) return known;
        return (await ListAsync(context).ConfigureAwait(false)).FirstOrDefault(domain => domain.Uuid == uuid) ?? throw new ManagementException(FailureKind.NoDomain, $"no domain with matching uuid '{uuid}'");
    }

    /// <inheritdoc/>
    public async ValueTask<VmDetails> InspectAsync(CallContext context, Guid uuid) =>
        (await AskAsync(context, uuid, new VmRequest(VmVerb.Inspect)).ConfigureAwait(false)).Details ?? throw new ManagementException(FailureKind.NoAnswer, "the machine says nothing of itself");

    /// <inheritdoc/>
    public async ValueTask ActAsync(CallContext context, Guid uuid, string verb) => await AskAsync(context, uuid, new VmRequest(verb)).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask SetAsync(CallContext context, Guid uuid, string option, string value) =>
        await AskAsync(context, uuid, new VmRequest(VmVerb.Set, new Dictionary<string, string> { [option] = value })).ConfigureAwait(false);

    private async ValueTask<VmReply> AskAsync(CallContext context, Guid uuid, VmRequest request)
    {
        Domain domain = await FindAsync(context, uuid).ConfigureAwait(false);
        return await TryAskAsync(domain.Name, request, context.Cancellation).ConfigureAwait(false)
            // A machine that is told to end need not live to answer.
            ?? (request.Verb == VmVerb.Quit ? VmReply.Completed : throw new ManagementException(FailureKind.NoAnswer, $"the machine '{domain.Name}' gave no answer; it may just have ended"));
    }

    private async ValueTask<Domain?> TryFindAsync(string name, CancellationToken cancellation) =>
        (await TryAskAsync(name, new VmRequest(VmVerb.Status), cancellation).ConfigureAwait(false))?.Status is { } status
            ? new Domain(name, IdentityOf(name, status.ProcessId), status.ProcessId, StateOf(status.State), status.Reason, status.Vcpus, status.MemoryBytes, status.Engine)
            {
                CpuNanoseconds = CpuTimeOf(status.ProcessId),
            }
            : null;

    private async ValueTask<VmReply?> TryAskAsync(string name, VmRequest request, CancellationToken cancellation)
    {
        if (!VmName.IsValid(name)) return null;
        using MachineConnection? connection = await MachineConnection.ConnectAsync(Path.Combine(folder, name, VmName.SocketFile), cancellation).ConfigureAwait(false);
        return connection is null ? null : await connection.AskAsync(request, cancellation).ConfigureAwait(false);
    }

    private List<string> Names()
    {
        if (!Directory.Exists(folder)) return [];
        // Sockets of another user's making must not pass for machines.
        try
        {
            RuntimeDirectory.Create(folder);
        }
        catch (Exception refused) when (refused is IOException or LinuxException)
        {
            throw new ManagementException(FailureKind.Refused, refused.Message);
        }
        return [.. Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
    }

    private static DomainState StateOf(string state) => state switch
    {
        VmState.Paused => DomainState.Paused,
        VmState.Saving => DomainState.Saving,
        _ => DomainState.Running,
    };

    // RFC 9562 §5.8: a UUID of our own making (version 8), the same for as long as the process lives.
    private static Guid IdentityOf(string name, int processId)
    {
        Span<byte> bytes = SHA256.HashData(Encoding.UTF8.GetBytes($"{name}/{processId}")).AsSpan(0, 16);
        bytes[6] = (byte)((bytes[6] & 0x0f) | 0x80);
        bytes[8] = (byte)((bytes[8] & 0x3f) | 0x80);
        return new Guid(bytes, bigEndian: true);
    }

    // proc(5): fields 14 and 15, utime and stime; the name in parentheses before them may hold anything.
    private static ulong CpuTimeOf(int processId)
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{processId}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (ulong.Parse(fields[11], CultureInfo.InvariantCulture) + ulong.Parse(fields[12], CultureInfo.InvariantCulture)) * TickNanoseconds;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
