using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Threading.Tasks;
using Hutch.Management.Definitions;
using Hutch.Management.Domains.Defaults;
using Hutch.Management.Events;
using Hutch.Management.Machines;
using Hutch.Model.Control;
using Hutch.Model.Domains;
using Hutch.Model.Machine;

namespace Hutch.Management.Domains;

/// <summary>
/// The domains of this host: those that are defined, those that were started without being kept, and machines that somebody started beside the daemon. Machines outlive the daemon; the next one finds them
/// by what <see cref="RunningDomain"/> keeps.
/// </summary>
public sealed class DomainDriver : IDomainDriver
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);

    private readonly DomainRegistry _registry = new();
    private readonly DefinitionFolder<KeptDomain> _kept;
    private readonly DomainStarter _starter;
    private readonly DomainWatch _watch;
    private readonly IMachineStarter _machines;
    private readonly EventHub _events;
    private readonly Action<string> _say;
    private readonly DefaultsSource _defaults;

    /// <summary>Begins without any domain; <see cref="LoadAsync"/> finds them.</summary>
    /// <param name="folders">Where files are.</param>
    /// <param name="machines">Starts machines.</param>
    /// <param name="events">Is told what happens.</param>
    /// <param name="say">Takes a sentence for whoever runs the daemon.</param>
    public DomainDriver(DomainFolders folders, IMachineStarter machines, EventHub events, Action<string> say)
    {
        (_machines, _events, _say) = (machines, events, say);
        _defaults = new DefaultsSource { NewUuid = Guid.NewGuid, NewMac = NewMac };
        _kept = new DefinitionFolder<KeptDomain>(folders.Kept, KeptDomainJson.Default.KeptDomain);
        DefinitionFolder<RunningDomain> running = new(folders.Running, KeptDomainJson.Default.RunningDomain);
        _watch = new DomainWatch(folders, running, _registry, events);
        _starter = new DomainStarter(folders, running, machines, _watch, events);
    }

    /// <summary>Reads what is kept, and finds the machines that run.</summary>
    public async ValueTask LoadAsync(CallContext context)
    {
        foreach ((string name, KeptDomain kept) in _kept.Load(_say))
        {
            if (kept.Definition.Name != name || kept.Definition.Uuid == Guid.Empty) _say($"the definition of '{name}' names another domain; it is left alone");
            else if (_registry.Find(kept.Definition.Uuid) is not null) _say($"the definition of '{name}' has the UUID of another domain; it is left alone");
            else _registry.FindOrAdd(name, kept.Definition.Uuid).Kept = kept;
        }
        await _watch.FindAgainAsync(_say, context.Cancellation).ConfigureAwait(false);
    }

    /// <summary>Starts the domains that are to be started with the daemon. What fails is said and does not keep the others.</summary>
    public async ValueTask AutostartAsync(CallContext context)
    {
        foreach (OwnedDomain domain in _registry.All.Where(static domain => domain.Kept?.Autostart == true && domain.Running is null))
        {
            try
            {
                await StartAsync(context, domain.Uuid, isPaused: false).ConfigureAwait(false);
            }
            catch (ManagementException refused)
            {
                _say($"The domain '{domain.Name}' could not be started: {refused.Message}");
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<Domain>> ListAsync(CallContext context)
    {
        await _watch.AdoptAsync(context.Cancellation).ConfigureAwait(false);
        return [.. _registry.All.Select(static domain => domain.Look())];
    }

    /// <inheritdoc/>
    public async ValueTask<Domain> FindAsync(CallContext context, string name)
    {
        if (_registry.Find(name) is null) await _watch.AdoptAsync(context.Cancellation).ConfigureAwait(false);
        return _registry.Find(name)?.Look() ?? throw new ManagementException(FailureKind.NoDomain, $"no domain with matching name '{name}'");
    }

    /// <inheritdoc/>
    public async ValueTask<Domain> FindAsync(CallContext context, Guid uuid)
    {
        if (_registry.Find(uuid) is null) await _watch.AdoptAsync(context.Cancellation).ConfigureAwait(false);
        return Of(uuid).Look();
    }

    /// <inheritdoc/>
    public ValueTask<DomainDefinition> DescribeAsync(CallContext context, Guid uuid, bool isKept)
    {
        OwnedDomain domain = Of(uuid);
        DomainDefinition? definition = isKept ? domain.Kept?.Definition : domain.Running?.Definition;
        return ValueTask.FromResult(definition ?? (domain.Running is { Definition: null } foreign ? ForeignDefinition.Of(domain, foreign) : domain.Running?.Definition ?? domain.Kept!.Definition));
    }

    /// <inheritdoc/>
    public async ValueTask<Domain> DefineAsync(CallContext context, DomainDefinition definition)
    {
        DomainDefinition filled = DomainDefaults.Fill(definition, _defaults);
        return await ChangeAsync(context, filled.Name, filled.Uuid, domain =>
        {
            bool isNew = domain.Kept is null;
            KeptDomain kept = new(filled, domain.Kept?.Autostart ?? false);
            _kept.Save(filled.Name, kept);
            domain.Kept = kept;
            _events.Publish(EventOf(domain, isNew ? DomainChange.Defined : DomainChange.Redefined, DomainCause.Asked));
            return ValueTask.FromResult(domain.Look());
        }).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<Domain> CreateAsync(CallContext context, DomainDefinition definition, bool isPaused)
    {
        DomainDefinition filled = DomainDefaults.Fill(definition, _defaults);
        return await ChangeAsync(context, filled.Name, filled.Uuid, async domain =>
        {
            await _starter.StartAsync(domain, filled, isPaused, context.Cancellation).ConfigureAwait(false);
            return domain.Look();
        }).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<Domain> StartAsync(CallContext context, Guid uuid, bool isPaused)
    {
        OwnedDomain known = Of(uuid);
        return await ChangeAsync(context, known.Name, uuid, async domain =>
        {
            if (domain.Running is not null) throw new ManagementException(FailureKind.WrongState, "domain is already running");
            await _starter.StartAsync(domain, (domain.Kept ?? throw Missing(uuid)).Definition, isPaused, context.Cancellation).ConfigureAwait(false);
            return domain.Look();
        }).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask UndefineAsync(CallContext context, Guid uuid, bool dropsVariables)
    {
        OwnedDomain known = Of(uuid);
        await ChangeAsync(context, known.Name, uuid, domain =>
        {
            if (domain.Kept is not { } kept) throw new ManagementException(FailureKind.WrongState, "cannot undefine transient domain");
            _kept.Remove(domain.Name);
            domain.Kept = null;
            if (dropsVariables && kept.Definition.Os.Nvram?.Path is { } variables) File.Delete(variables);
            _events.Publish(EventOf(domain, DomainChange.Undefined, DomainCause.Asked));
            return ValueTask.FromResult(true);
        }).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask SetAutostartAsync(CallContext context, Guid uuid, bool isOn)
    {
        OwnedDomain known = Of(uuid);
        await ChangeAsync(context, known.Name, uuid, domain =>
        {
            KeptDomain kept = (domain.Kept ?? throw new ManagementException(FailureKind.WrongState, "cannot set autostart for transient domain")) with { Autostart = isOn };
            _kept.Save(domain.Name, kept);
            domain.Kept = kept;
            return ValueTask.FromResult(true);
        }).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<VmDetails> InspectAsync(CallContext context, Guid uuid)
    {
        VmReply answer = await AskAsync(context, uuid, new VmRequest(VmVerb.Inspect)).ConfigureAwait(false);
        return answer.Details ?? throw new ManagementException(FailureKind.NoAnswer, "the machine says nothing of itself");
    }

    /// <inheritdoc/>
    public async ValueTask ActAsync(CallContext context, Guid uuid, string verb)
    {
        if (verb == VmVerb.Quit) await EndAsync(context, uuid).ConfigureAwait(false);
        else await AskAsync(context, uuid, new VmRequest(verb)).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask SetAsync(CallContext context, Guid uuid, string option, string value)
    {
        await AskAsync(context, uuid, new VmRequest(VmVerb.Set, new Dictionary<string, string> { [option] = value })).ConfigureAwait(false);
        await AskAsync(context, uuid, new VmRequest(VmVerb.Status)).ConfigureAwait(false);
    }

    private static DomainEvent EventOf(OwnedDomain domain, DomainChange change, DomainCause cause) => new(domain.Name, domain.Uuid, domain.Running?.Process ?? Domain.NoId, change, cause);

    private static ManagementException Missing(Guid uuid) => new(FailureKind.NoDomain, $"no domain with matching uuid '{uuid}'");

    // In the range that QEMU's cards have (52:54:00).
    private string NewMac()
    {
        HashSet<string?> used = [.. _registry.All.SelectMany(static domain => domain.Kept?.Definition.Devices ?? []).OfType<InterfaceDevice>().Select(static card => card.Mac)];
        Span<byte> address = [0x52, 0x54, 0x00, 0, 0, 0];
        while (true)
        {
            RandomNumberGenerator.Fill(address[3..]);
            if (MacAddress.Format(address) is var mac && !used.Contains(mac)) return mac;
        }
    }

    private OwnedDomain Of(Guid uuid) => _registry.Find(uuid) ?? throw Missing(uuid);

    private RunningMachine MachineOf(Guid uuid) => Of(uuid).Running ?? throw new ManagementException(FailureKind.WrongState, "domain is not running");

    private async ValueTask<VmReply> AskAsync(CallContext context, Guid uuid, VmRequest request)
    {
        RunningMachine running = MachineOf(uuid);
        VmReply answer = await running.Link.AskAsync(request, context.Cancellation).ConfigureAwait(false)
            ?? throw new ManagementException(FailureKind.NoAnswer, $"the machine '{running.Machine}' gave no answer; it may just have ended");
        if (answer.Status is { } status) running.Status = status;
        return answer;
    }

    // One that does not answer is ended as by a loss of power.
    private async ValueTask EndAsync(CallContext context, Guid uuid)
    {
        RunningMachine running = MachineOf(uuid);
        try
        {
            running.EndCause = DomainCause.Asked;
            await running.Link.AskAsync(new VmRequest(VmVerb.Quit), context.Cancellation).ConfigureAwait(false);
            await running.Over.WaitAsync(EndPatience, context.Cancellation).ConfigureAwait(false);
        }
        catch (Exception stuck) when (stuck is TimeoutException or ManagementException)
        {
            _machines.Kill(running.Process);
            await running.Over.WaitAsync(context.Cancellation).ConfigureAwait(false);
        }
    }

    private async ValueTask<T> ChangeAsync<T>(CallContext context, string name, Guid uuid, Func<OwnedDomain, ValueTask<T>> change)
    {
        while (true)
        {
            OwnedDomain domain = _registry.FindOrAdd(name, uuid);
            await domain.Turn.WaitAsync(context.Cancellation).ConfigureAwait(false);
            try
            {
                // It may have been forgotten while this waited.
                if (_registry.Find(uuid) == domain) return await change(domain).ConfigureAwait(false);
            }
            finally
            {
                _registry.RemoveIfUnused(domain);
                domain.Turn.Release();
            }
        }
    }
}
