using System;
using System.IO;
using System.Text.Json;
using Hutch.Devices;
using Hutch.Host.Linux;
using Hutch.Host.Time;
using Hutch.Kvm;
using Hutch.Model.Machine;
using Hutch.Vmm.Build;
using Hutch.Vmm.Control;
using Hutch.Vmm.Engines;
using Hutch.Vmm.Hosting;
using Hutch.Vmm.Run;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Vmm;

/// <summary>
/// The VM process: <c>hutch-vmm --definition-fd N</c> or <c>--definition FILE</c>. Reads one machine definition, runs that
/// machine, and returns a status of <see cref="ExitStatus"/>.
/// </summary>
internal static class Program
{
    private const int MostDefinitionBytes = 1 << 20;

    private static int Main(string[] arguments)
    {
        Messages messages = new(json: false);
        if (arguments is ["--probe"]) return ProbeAnswer.Print();
        if (arguments is ["--cpu-offers"]) return CpuOffers.Print();
        if (arguments.Length != 2 || arguments[0] is not ("--definition-fd" or "--definition"))
        {
            messages.Error("usage: hutch-vmm --definition-fd N | --definition FILE | --probe | --cpu-offers (started by 'hutch').", ExitStatus.Usage);
            return ExitStatus.Usage;
        }
        int status;
        string sentence;
        try
        {
            MachineDefinition definition = ReadDefinition(arguments[0] == "--definition-fd", arguments[1]);
            messages = new Messages(definition.Json);
            MachineEnd end = Run(definition, messages);
            if (end.Error is not null) messages.Error(end.Error, end.Status);
            return end.Status;
        }
        catch (ConfigException mistake)
        {
            (status, sentence) = (ExitStatus.BadConfiguration, mistake.Message);
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
        return status;
    }

    // Back ends go last: they flush what the devices still said, and give the terminal its mode back before any message.
    private static MachineEnd Run(MachineDefinition definition, Messages messages)
    {
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
        using SignalExit signals = new(Leave);
        using ChosenEngine engine = EngineSelection.OfThisHost(timers).Open(definition.Engine);
        using Machine machine = new MachineBuilder(engine.Hypervisor, timers, backEnds, mailbox).Build(definition);
        if (engine.Sentence is not null) messages.Progress(engine.Sentence);
        machine.Host.Begin(definition.Placement);
        StateDriver driver = new(machine, mailbox, definition.NoReboot);
        control.Serve(new ControlVerbs(definition, engine.Hypervisor.Name, mailbox, driver, machine.Host).Handle);
        return driver.Run();
    }

    private static MachineDefinition ReadDefinition(bool isDescriptor, string where)
    {
        try
        {
            using SafeFileHandle handle = isDescriptor
                ? new SafeFileHandle(int.Parse(where, System.Globalization.CultureInfo.InvariantCulture), ownsHandle: true)
                : File.OpenHandle(where);
            byte[] json = new byte[MostDefinitionBytes];
            int length = 0;
            for (int count = 1; count != 0 && length < json.Length; length += count) count = RandomAccess.Read(handle, json.AsSpan(length), length);
            return MachineReader.Read(json.AsMemory(0, length));
        }
        catch (Exception broken) when (broken is IOException or UnauthorizedAccessException or FormatException or OverflowException
            or ArgumentException or JsonException or NotSupportedException)
        {
            throw new ConfigException($"The machine definition {where} cannot be read: {broken.Message}", broken);
        }
    }
}
