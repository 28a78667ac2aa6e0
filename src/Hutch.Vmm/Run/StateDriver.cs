using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Hutch.Devices;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Hutch.Vmm.Control;
using Hutch.Vmm.Snapshot;

namespace Hutch.Vmm.Run;

/// <summary>
/// The one owner of the machine's state. Requests come through the mailbox from any thread and are carried out here, one at a time, with every vCPU
/// stopped:
/// <code>
///   running -> (reset) -> running      running &lt;-> paused      running, paused -> saving -> as before, paused or ended      running, paused -> ended
/// </code>
/// </summary>
internal sealed class StateDriver(Machine machine, Mailbox mailbox, MachineDefinition definition, bool startPaused = false, Action<string>? say = null, Action<string, string?>? tell = null)
{
    private string _state = startPaused ? VmState.Paused : VmState.Running;
    private readonly DeviceChange _devices = new(machine, definition);
    private string? _reason;

    /// <summary>What the machine does now, one of <see cref="VmState"/>. Any thread.</summary>
    internal string State => Volatile.Read(ref _state);

    /// <summary>Why the machine is paused, if it was not told to be; a sentence. Any thread.</summary>
    internal string? Reason => Volatile.Read(ref _reason);

    /// <summary>How many vCPUs are plugged in. Any thread.</summary>
    internal int VcpuCount => machine.VcpuCount;

    /// <summary>The names of the machine's devices. Any thread.</summary>
    internal System.Collections.Immutable.ImmutableArray<string> Devices => _devices.Names;

    /// <summary>Starts the machine and returns how it ended. The machine is then stopped, not disposed.</summary>
    internal MachineEnd Run()
    {
        if (!startPaused) machine.Start();
        while (true)
        {
            MachineRequest request = mailbox.Take();
            MachineEnd? end = request.Call is ControlCall call ? Serve(call) : Follow(request);
            if (end is not { } last) continue;
            tell?.Invoke(last.Event, last.Error);
            mailbox.Close();
            return last;
        }
    }

    // What the guest, the user or an engine did. Null: the machine lives on.
    private MachineEnd? Follow(MachineRequest request)
    {
        if (request.Kind == RequestKind.VcpuFailed && machine.HasOtherEngine) return HandOver(request);
        if (request.Kind is RequestKind.Report or RequestKind.StorageStop or RequestKind.AlarmStop)
        {
            if (request.Kind == RequestKind.Report) say?.Invoke(request.Detail!);
            else if (request.Kind == RequestKind.StorageStop) PauseForStorage();
            else PauseForAlarm(request.Detail!);
            return null;
        }
        if (request.Kind == RequestKind.Ejected)
        {
            _ = Change(() =>
            {
                _devices.TakeEjected();
                machine.TakeEjectedVcpus();
            });
            return null;
        }
        if (State == VmState.Running) machine.Stop();
        if (request.Kind != RequestKind.Reset || definition.NoReboot) return End(request);
        machine.Reset();
        Volatile.Write(ref _reason, null);
        mailbox.Forget(request.Kind);
        tell?.Invoke(VmEvent.Reset, null);
        if (State == VmState.Running) machine.Start();
        return null;
    }

    private MachineEnd? HandOver(MachineRequest request)
    {
        // It was paused meanwhile; the vCPU will fail again when it goes on.
        if (State != VmState.Running) return null;
        // What the user could do is being done.
        if (machine.HandOver(request.Failure!.What) is string refusal)
            return new MachineEnd(ExitStatus.GuestFailed, VmEvent.Failed, $"{request.Failure.Sentence} It could not be handed over: {refusal}");
        mailbox.Forget(RequestKind.VcpuFailed);
        machine.Start();
        return null;
    }

    // The disk holds the request, and makes it again whenever the machine goes on: it may have gone through since it was posted.
    private void PauseForStorage()
    {
        bool running = State == VmState.Running;
        if (running) machine.Stop();
        if (Trouble() is string trouble)
        {
            Volatile.Write(ref _reason, $"{trouble}.");
            Volatile.Write(ref _state, VmState.Paused);
            mailbox.Forget(RequestKind.StorageStop);
            if (running) tell?.Invoke(VmEvent.Paused, Reason);
            say?.Invoke($"{trouble}; the machine is paused: mend that, then 'hutch resume {definition.Name}' makes the request again.");
        }
        else if (running) machine.Start();
    }

    private void PauseForAlarm(string sentence)
    {
        Volatile.Write(ref _reason, $"{sentence}.");
        Pause();
        say?.Invoke($"{sentence}; the machine is paused: 'hutch resume {definition.Name}' lets it go on, 'hutch reset {definition.Name}' starts it anew.");
    }

    private string? Trouble()
    {
        foreach (IDisk disk in machine.Disks)
            if (disk.Trouble is string trouble) return trouble;
        return null;
    }

    private MachineEnd? Serve(ControlCall call)
    {
        MachineEnd? end = null;
        VmReply reply = VmReply.Completed;
        switch (call.Request.Verb)
        {
            case VmVerb.Pause: Pause(); break;
            case VmVerb.Resume: Resume(); break;
            case VmVerb.Reset: end = Follow(new MachineRequest(RequestKind.Reset)); break;
            case VmVerb.Quit: end = Follow(new MachineRequest(RequestKind.Leave, ExitStatus.PoweredOff)); break;
            case VmVerb.Set: reply = Set(call.Request.Options); break;
            case VmVerb.Save: (reply, end) = Save(call); break;
            case VmVerb.Resize: reply = Resize(call.Request.Options); break;
            case VmVerb.Attach: reply = Change(() => _devices.Attach(call.Request.Options)); break;
            case VmVerb.Media: reply = Change(() => _devices.ChangeMedium(call.Request.Options)); break;
            case VmVerb.Detach: reply = Change(() => _devices.AskFor(call.Request.Options)); break;
            case VmVerb.PowerDown: reply = PressPowerButton(); break;
            default: reply = VmReply.Error($"There is no verb '{call.Request.Verb}'."); break;
        }
        call.Complete(reply);
        return end;
    }

    private void Pause()
    {
        if (State == VmState.Paused) return;
        machine.Stop();
        Volatile.Write(ref _state, VmState.Paused);
        tell?.Invoke(VmEvent.Paused, Reason);
    }

    private void Resume()
    {
        if (State == VmState.Running) return;
        Volatile.Write(ref _reason, null);
        Volatile.Write(ref _state, VmState.Running);
        machine.Start();
        tell?.Invoke(VmEvent.Running, null);
    }

    private VmReply Resize(IReadOnlyDictionary<string, string> options)
    {
        if (!options.TryGetValue("disk", out string? name) || !options.TryGetValue("size", out string? text) || options.Count != 2)
            return VmReply.Error("The verb 'resize' has the options 'disk' and 'size'.");
        IDisk? disk = null;
        foreach (IDisk each in machine.Disks)
            if (each.Name == name) disk = each;
        if (disk is null)
        {
            string known = string.Join(", ", machine.Disks.Select(static each => each.Name));
            return VmReply.Error(known.Length == 0 ? $"There is no disk '{name}'; the machine has none." : $"There is no disk '{name}'; the machine has {known}.");
        }
        return Change(() => disk.Grow(DiskGrowth.Of(text, disk.Name, disk.LengthBytes)));
    }

    // Something that the machine must stand still for.
    private VmReply Change(Action change)
    {
        bool running = State == VmState.Running;
        if (running) machine.Stop();
        try
        {
            change();
            return VmReply.Completed;
        }
        catch (ConfigException refused)
        {
            return VmReply.Error(refused.Message);
        }
        finally
        {
            if (running) machine.Start();
        }
    }

    private VmReply Set(IReadOnlyDictionary<string, string> options)
    {
        if (!VcpuChange.IsIn(options)) return Place(options);
        VmReply reply = Change(() => options = VcpuChange.Apply(machine, options));
        return reply.Kind == VmReplyKind.Error ? reply : Place(options);
    }

    private VmReply Place(IReadOnlyDictionary<string, string> options)
    {
        try
        {
            machine.Host.Set(MemoryChange.Apply(machine.Balloon, machine.PluggableMemory, machine.Memory.BootBytes, LinkChange.Apply(machine.NetworkCards, options)));
            return VmReply.Completed;
        }
        catch (ConfigException refused)
        {
            return VmReply.Error(refused.Message);
        }
    }

    private (VmReply Reply, MachineEnd? End) Save(ControlCall call)
    {
        if (SaveCall.Read(call.Request, out string mistake) is not SaveCall save) return (VmReply.Error(mistake), null);
        string before = State;
        if (before == VmState.Running) machine.Stop();
        Volatile.Write(ref _state, VmState.Saving);
        machine.TakeEjectedVcpus();
        MachineDefinition now = _devices.Definition with { AbsentVcpus = machine.CpuHotplug?.AbsentOf(machine.Cpus) ?? 0 };
        string? failure = save.Save(machine, now, call, () => mailbox.Holds(RequestKind.Leave));
        string after = failure is null && save.Then == SaveCall.Pause ? VmState.Paused : before;
        Volatile.Write(ref _state, after);
        if (failure is null && save.Then == SaveCall.Quit) return (VmReply.Completed, new MachineEnd(ExitStatus.PoweredOff, VmEvent.Saved));
        if (after != before) tell?.Invoke(VmEvent.Paused, null);
        if (after == VmState.Running) machine.Start();
        return (failure is null ? VmReply.Completed : VmReply.Error(failure), null);
    }

    private VmReply PressPowerButton()
    {
        if (machine.PowerButton is null) return VmReply.Error("The machine has no power button; end it with quit.");
        if (State == VmState.Paused) return VmReply.Error("The machine is paused and cannot see its power button; resume it first.");
        machine.PowerButton();
        return VmReply.Completed;
    }

    private static MachineEnd End(MachineRequest request) => request.Kind switch
    {
        RequestKind.Leave => new MachineEnd(request.Status, VmEvent.Left),
        RequestKind.Exit => new MachineEnd(request.Status, VmEvent.PoweredOff),
        RequestKind.VcpuFailed => new MachineEnd(ExitStatus.GuestFailed, VmEvent.Failed, request.Failure!.Sentence),
        RequestKind.Defect => new MachineEnd(ExitStatus.InternalError, VmEvent.Failed, request.Detail),
        _ => new MachineEnd(ExitStatus.PoweredOff, VmEvent.PoweredOff),
    };
}

/// <summary>How a machine ended.</summary>
/// <param name="Status">Exit status of the process.</param>
/// <param name="Event">Why, one of <see cref="VmEvent"/>.</param>
/// <param name="Error">What to tell the user, when the end was not in order. To be written after the terminal has its mode back.</param>
internal readonly record struct MachineEnd(int Status, string Event, string? Error = null);
