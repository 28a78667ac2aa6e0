using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Management.Definitions;
using Hutch.Management.Events;
using Hutch.Management.Machines;
using Hutch.Model.Control;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains;

/// <summary>Follows what machines do, whoever started them, until they end.</summary>
internal sealed class DomainWatch(DomainFolders folders, DefinitionFolder<RunningDomain> running, DomainRegistry registry, EventHub events)
{
    // Machines that were found or started; a folder of another name may be one that somebody started beside the daemon.
    private readonly HashSet<string> _watched = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    /// <summary>Finds the machines again that an earlier daemon started. What is left of one that ended meanwhile is removed.</summary>
    internal async ValueTask FindAgainAsync(Action<string> say, CancellationToken cancellation)
    {
        foreach ((string name, RunningDomain seen) in running.Load(say))
        {
            OwnedDomain domain = registry.FindOrAdd(name, seen.Definition.Uuid);
            if (await TryWatchAsync(domain, seen, cancellation).ConfigureAwait(false) is null)
            {
                running.Remove(name);
                registry.RemoveIfUnused(domain);
            }
        }
    }

    /// <summary>Finds machines that somebody else started.</summary>
    internal async ValueTask AdoptAsync(CancellationToken cancellation)
    {
        foreach (string machine in MachineNames())
        {
            lock (_lock)
                if (!_watched.Add(machine)) continue;
            bool isFound = false;
            try
            {
                isFound = await TryAdoptAsync(machine, cancellation).ConfigureAwait(false);
            }
            finally
            {
                if (!isFound) Forget(machine);
            }
        }
    }

    /// <summary>Keeps a machine that is about to be started from being taken for somebody else's.</summary>
    internal void Expect(string machine)
    {
        lock (_lock) _watched.Add(machine);
    }

    /// <summary>Gives up a machine that did not start.</summary>
    internal void Forget(string machine)
    {
        lock (_lock) _watched.Remove(machine);
    }

    /// <summary>Watches the machine of a domain until it ends; null where it does not answer, or is another process than the one that is known.</summary>
    internal async ValueTask<RunningMachine?> TryWatchAsync(OwnedDomain domain, RunningDomain seen, CancellationToken cancellation)
    {
        if (await OpenAsync(seen.Machine, cancellation).ConfigureAwait(false) is not { } watched) return null;
        if (seen.Process != 0 && watched.Link.First.ProcessId != seen.Process)
        {
            watched.Link.Dispose();
            return null;
        }
        Expect(seen.Machine);
        return Begin(domain, watched, seen.Machine, seen.Definition);
    }

    private async ValueTask<bool> TryAdoptAsync(string machine, CancellationToken cancellation)
    {
        if (await OpenAsync(machine, cancellation).ConfigureAwait(false) is not { } watched) return false;
        // A domain may have its name, or did before the machine was started: then this is another one, and has its process for a surname.
        Guid uuid = IdentityOf(machine, watched.Link.First.ProcessId);
        string name = registry.Find(machine) is null ? machine : $"{machine}-{watched.Link.First.ProcessId}";
        Begin(registry.FindOrAdd(name, uuid), watched, machine, definition: null);
        return true;
    }

    private async ValueTask<Watched?> OpenAsync(string machine, CancellationToken cancellation)
    {
        if (!VmName.IsValid(machine)) return null;
        Watched watched = new(this);
        try
        {
            if (await MachineLink.OpenAsync(Path.Combine(folders.Machines, machine, VmName.SocketFile), watched.Take, cancellation).ConfigureAwait(false) is not { } link) return null;
            watched.Link = link;
            return watched;
        }
        catch (ManagementException)
        {
            // A machine of an older release, which cannot be watched.
            return null;
        }
    }

    private RunningMachine Begin(OwnedDomain domain, Watched watched, string machine, DomainDefinition? definition)
    {
        VmStatus first = watched.Link.First;
        RunningMachine begun = new()
        {
            Definition = definition, Machine = machine, Process = first.ProcessId, Link = watched.Link, Status = first, State = StateOf(first.State), Reason = first.Reason,
            Cause = first.Reason is null ? DomainCause.Unknown : DomainCause.StorageFailed,
        };
        domain.Running = begun;
        watched.Belong(domain, begun);
        _ = FinishAsync(domain, begun);
        return begun;
    }

    private void Happen(OwnedDomain domain, RunningMachine machine, VmReply told)
    {
        switch (told.Event)
        {
            case VmEvent.Paused:
                machine.Reason = told.Message;
                machine.Cause = told.Message is null ? DomainCause.Asked : DomainCause.StorageFailed;
                machine.State = DomainState.Paused;
                Publish(domain, machine, DomainChange.Suspended, machine.Cause);
                break;
            case VmEvent.Running:
                machine.Reason = null;
                machine.Cause = DomainCause.Asked;
                machine.State = DomainState.Running;
                Publish(domain, machine, DomainChange.Resumed, DomainCause.Asked);
                break;
            case VmEvent.Reset:
                Publish(domain, machine, DomainChange.Rebooted, DomainCause.Guest);
                break;
            default:
                machine.EndCause = told.Event switch { VmEvent.PoweredOff => DomainCause.Guest, VmEvent.Left => DomainCause.Asked, VmEvent.Saved => DomainCause.Saved, _ => DomainCause.Crashed };
                if (machine.EndCause is DomainCause.Guest or DomainCause.Asked) Publish(domain, machine, DomainChange.ShuttingDown, machine.EndCause);
                break;
        }
    }

    private async Task FinishAsync(OwnedDomain domain, RunningMachine machine)
    {
        await machine.Link.Ended.ConfigureAwait(false);
        Forget(machine.Machine);
        // Whoever starts or undefines it has finished first.
        await domain.Turn.WaitAsync().ConfigureAwait(false);
        try
        {
            domain.OffCause = machine.EndCause;
            domain.Running = null;
            if (machine.Definition is not null) running.Remove(domain.Name);
            Publish(domain, machine, DomainChange.Stopped, machine.EndCause);
            registry.RemoveIfUnused(domain);
        }
        finally
        {
            domain.Turn.Release();
            machine.IsOver();
        }
    }

    private void Publish(OwnedDomain domain, RunningMachine machine, DomainChange change, DomainCause cause) =>
        events.Publish(new DomainEvent(domain.Name, domain.Uuid, domain.Running is null ? Domain.NoId : machine.Process, change, cause));

    private List<string> MachineNames()
    {
        if (!Directory.Exists(folders.Machines)) return [];
        // Sockets of another user's making must not pass for machines.
        try
        {
            RuntimeDirectory.Create(folders.Machines);
        }
        catch (Exception refused) when (refused is IOException or LinuxException)
        {
            throw new ManagementException(FailureKind.Refused, refused.Message);
        }
        return [.. Directory.EnumerateDirectories(folders.Machines).Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
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

    // Events may come before it is known whose they are.
    private sealed class Watched(DomainWatch watch)
    {
        private readonly Lock _order = new();
        private List<VmReply>? _early = [];
        private OwnedDomain _domain = null!;
        private RunningMachine _machine = null!;

        internal MachineLink Link { get; set; } = null!;

        internal void Take(MachineLink link, VmReply told)
        {
            lock (_order)
                if (_early is not null)
                {
                    _early.Add(told);
                    return;
                }
            watch.Happen(_domain, _machine, told);
        }

        internal void Belong(OwnedDomain domain, RunningMachine machine)
        {
            lock (_order)
            {
                (_domain, _machine) = (domain, machine);
                foreach (VmReply told in _early!) watch.Happen(domain, machine, told);
                _early = null;
            }
        }
    }
}
