using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using Hutch.Core.Engine;
using Hutch.Devices;
using Hutch.Host.Linux;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Hutch.Vmm.Display;
using Hutch.Vmm.Hosting;
using Hutch.Vmm.Run;

namespace Hutch.Vmm.Control;

/// <summary>
/// What becomes of a client's request, on its connection's thread: questions are answered at once, everything that changes the machine goes to the
/// state driver and is waited for.
/// </summary>
internal sealed class ControlVerbs(MachineDefinition definition, IHypervisor engine, Mailbox mailbox, StateDriver driver, HostPlacement placement, IReadOnlyList<IScreen> screens, Watchers watchers,
    IBalloon? balloon, IPluggableMemory? memory = null, ICpuHotplug? plugging = null)
{
    /// <summary>Carries out one request. Does not throw.</summary>
    internal VmReply Handle(ControlCall call)
    {
        if (call.Request.Verb == VmVerb.Status) return VmReply.Completed with { Status = Status() };
        if (call.Request.Verb == VmVerb.Watch)
        {
            // First, so that nothing happens unseen between this answer and the first event.
            call.Watch(watchers);
            return VmReply.Completed with { Status = Status() };
        }
        if (call.Request.Verb == VmVerb.Inspect) return Inspect();
        if (call.Request.Verb == VmVerb.Screenshot) return Screenshot.Take(call.Request.Options, screens);
        mailbox.Post(new MachineRequest(RequestKind.Control, Call: call));
        return call.Wait();
    }

    private VmReply Inspect()
    {
        try
        {
            VmDetails details = placement.Describe() with
            {
                Devices = driver.Devices,
                Balloon = balloon?.HasDriver == true ? balloon.Look() : null,
                Pluggable = memory?.HasDriver == true ? memory.Look() : null,
                MostVcpus = definition.Cpus.VcpuCount,
                OfferedVcpus = Numbers(plugging?.Offered ?? 0),
                AskedVcpus = Numbers(plugging?.Asked ?? 0),
                RefusedVcpus = Numbers(plugging?.Refused ?? 0),
            };
            return VmReply.Completed with { Status = Status(), Details = details };
        }
        catch (LinuxException ending)
        {
            // Its threads are gone.
            return VmReply.Error(ending.Message);
        }
    }

    private static ImmutableArray<int> Numbers(ulong vcpus) => [.. Enumerable.Range(0, 64).Where(index => (vcpus >> index & 1) != 0)];

    private VmStatus Status() =>
        new(definition.Name, driver.State, Environment.ProcessId, engine.Name, driver.VcpuCount, definition.MemoryBytes + (memory?.Look().PluggedBytes ?? 0), driver.Reason);
}
