using System;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Host.Linux;
using Hutch.Host.Time;
using Hutch.Kvm;
using Hutch.Model.Machine;
using Hutch.Vmm.Build;
using Hutch.Vmm.Control;
using Hutch.Vmm.Display;
using Hutch.Vmm.Engines;
using Hutch.Vmm.Hosting;
using Hutch.Vmm.Run;

namespace Hutch.Vmm;

/// <summary>
/// The VM process: <c>hutch-vmm --definition-fd N</c>, <c>--definition FILE</c> or <c>--restore FILE</c>. Reads one machine definition or saved state, runs
/// that machine, and returns a status of <see cref="ExitStatus"/>.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        Messages messages = new(json: false);
        if (arguments is ["--probe"]) return ProbeAnswer.Print();
        if (arguments is ["--cpu-offers"]) return CpuOffers.Print();
        int status;
        string sentence;
        using ReadySign ready = ReadySign.Take(ref arguments);
        try
        {
            messages = new Messages(Array.IndexOf(arguments, "--json") >= 0);
            using Launch? launch = Launch.Read(arguments);
            if (launch is null)
            {
                messages.Error($"usage: {Launch.Usage} (started by 'hutch').", ExitStatus.Usage);
                return ExitStatus.Usage;
            }
            messages = new Messages(launch.Definition.Json);
            MachineEnd end = Run(launch, messages, ready);
            if (end.Error is not null) messages.Error(end.Error, end.Status);
            return end.Status;
        }
        catch (ConfigException mistake)
        {
            (status, sentence) = (ExitStatus.BadConfiguration, mistake.Message);
        }
        catch (StateException unusable)
        {
            (status, sentence) = (ExitStatus.BadConfiguration, unusable.Message);
        }
        catch (KvmUnavailableException missing)
        {
            (status, sentence) = (ExitStatus.BadConfiguration, missing.Message);
        }
        catch (LinuxException refused)
        {
            (status, sentence) = (ExitStatus.BadConfiguration, refused.Message);
        }
        catch (Exception defect)
        {
            (status, sentence) = (ExitStatus.InternalError, $"An internal error ended the machine: {defect}");
        }
        messages.Error(sentence, status);
        ready.Fail(sentence);
        return status;
    }

    // Back ends go last: they flush what the devices still said, and give the terminal its mode back before any message.
    private static MachineEnd Run(Launch launch, Messages messages, ReadySign ready)
    {
        MachineDefinition definition = launch.Definition;
        Mailbox mailbox = new();
        BackEnds? opened = null;
        void Leave(int status)
        {
            opened?.LosePatience();
            mailbox.Post(new MachineRequest(RequestKind.Leave, status));
        }
        if (definition.Placement.ControlGroup is not null) ControlGroup.Join(definition.Placement.ControlGroup);
        using ControlServer control = ControlServer.Open(definition.Name);
        using TimerQueue queue = new(new MonotonicClock());
        using PausableTimers timers = new(queue);
        using BackEnds backEnds = opened = new(() => Leave(ExitStatus.UserLeft));
        Networks networks = new(definition.Name, queue.Clock, messages.Progress);
        using SignalExit signals = new(Leave);
        using ChosenEngine engine = EngineSelection.OfThisHost(timers, messages.Progress).Open(definition.Engine);
        using Machine machine = new MachineBuilder(engine.Hypervisor, timers, backEnds, mailbox, networks).Build(definition, launch.State);
        if (engine.Sentence is not null) messages.Progress(engine.Sentence);
        machine.Host.Begin(definition.Placement);
        using VncServer? vnc = VncServer.Open(definition.Vnc, definition.Name, machine.Screens, machine.Input, queue.Clock);
        if (VncServer.WarningOf(definition.Vnc) is string open) messages.Warning(open);
        Watchers watchers = new();
        StateDriver driver = new(machine, mailbox, definition, launch.Paused, messages.Progress, watchers.Tell);
        control.Serve(new ControlVerbs(definition, engine.Hypervisor, mailbox, driver, machine.Host, machine.Screens, watchers, machine.Balloon, machine.PluggableMemory, machine.CpuHotplug).Handle);
        ready.Succeed();
        return driver.Run();
    }
}
