using System;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Management.Definitions;
using Hutch.Management.Domains.Defaults;
using Hutch.Management.Domains.Plan;
using Hutch.Management.Events;
using Hutch.Management.Machines;
using Hutch.Model.Control;
using Hutch.Model.Domains;

namespace Hutch.Management.Domains;

/// <summary>
/// Starts the machines of domains. What runs is written down before it does, so that a daemon that is killed at any moment finds the machine again, or that there is none.
/// </summary>
internal sealed class DomainStarter(DomainFolders folders, DefinitionFolder<RunningDomain> running, IMachineStarter machines, DomainWatch watch, EventHub events)
{
    /// <summary>Starts one. Whoever calls has its turn. Throws <see cref="ManagementException"/>; then nothing is left of it.</summary>
    internal async ValueTask StartAsync(OwnedDomain domain, DomainDefinition definition, bool isPaused, CancellationToken cancellation)
    {
        if (domain.Running is not null) throw new ManagementException(FailureKind.WrongState, $"domain is already active as '{domain.Name}'");
        string machine = VmName.IsValid(domain.Name) ? domain.Name : VmName.From(domain.Name, $"-{domain.Uuid:N}"[..9]);
        string folder = folders.FolderOf(machine);
        int process = 0;
        watch.Expect(machine);
        try
        {
            MachinePlan plan = MachinePlan.Of(LiveAliases.Assign(definition), new PlanPlaces(machine, folder, folders.VariablesOf(machine)));
            Prepare(plan, folder);
            running.Save(domain.Name, new RunningDomain(plan.Live, machine, Process: 0));
            process = await machines.StartAsync(plan.Machine, isPaused, folders.LogOf(machine), cancellation).ConfigureAwait(false);
            RunningDomain started = new(WithTerminals(plan.Live), machine, process);
            running.Save(domain.Name, started);
            RunningMachine begun = await watch.TryWatchAsync(domain, started, cancellation).ConfigureAwait(false)
                ?? throw new ManagementException(FailureKind.NoAnswer, $"the machine '{machine}' ended as soon as it ran; {folders.LogOf(machine)} has what it said");
            begun.Cause = isPaused ? DomainCause.Asked : DomainCause.Booted;
        }
        catch
        {
            if (process != 0) machines.Kill(process);
            running.Remove(domain.Name);
            watch.Forget(machine);
            throw;
        }
        // As libvirtd tells of it: a machine begins paused, and its start is told when it runs.
        if (!isPaused) Publish(domain, DomainChange.Resumed, DomainCause.Asked);
        Publish(domain, DomainChange.Started, DomainCause.Booted);
        if (isPaused) Publish(domain, DomainChange.Suspended, DomainCause.Asked);
    }

    private void Publish(OwnedDomain domain, DomainChange change, DomainCause cause) =>
        events.Publish(new DomainEvent(domain.Name, domain.Uuid, domain.Running?.Process ?? Domain.NoId, change, cause));

    // What a killed machine of the same name left there is replaced.
    private static void Prepare(MachinePlan plan, string folder)
    {
        try
        {
            RuntimeDirectory.Create(folder);
            foreach (PlanFile file in plan.Files)
            {
                if (Path.GetDirectoryName(file.Path) is { } above) Directory.CreateDirectory(above);
                if (file.CopyOf is not null && File.Exists(file.Path)) continue;
                using ReplacementFile replacement = ReplacementFile.Create(file.Path);
                File.SetUnixFileMode(replacement.File.Path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                replacement.File.Write(0, file.CopyOf is null ? file.Content.AsSpan() : File.ReadAllBytes(file.CopyOf));
                replacement.Commit();
            }
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException or LinuxException)
        {
            throw new ManagementException(FailureKind.HostFailed, $"the files of the domain cannot be made: {refused.Message}");
        }
    }

    // The machine has made links to its terminals where the plan told it to.
    private static DomainDefinition WithTerminals(DomainDefinition live) => live with
    {
        Devices = [.. live.Devices.Select(static device => device is CharacterDevice { Source: { Type: "pty", Path: { } link } source } character && File.ResolveLinkTarget(link, returnFinalTarget: false) is { } terminal
            ? character with { Source = source with { Path = terminal.FullName } } : device)],
    };
}
