using System;
using System.Collections.Generic;
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
internal sealed class ControlVerbs(MachineDefinition definition, IHypervisor engine, Mailbox mailbox, StateDriver driver, HostPlacement placement, IReadOnlyList<IScreen> screens,
    IBalloon? balloon)
{
    /// <summary>Carries out one request. Does not throw.</summary>
    internal VmReply Handle(ControlCall call)
    {
        if (call.Request.Verb == VmVerb.Status) return VmReply.Completed with { Status = Status() };
        if (call.Request.Verb == VmVerb.Inspect) return Inspect();
        if (call.Request.Verb == VmVerb.Screenshot) return Screenshot.Take(call.Request.Options, screens);
        mailbox.Post(new MachineRequest(RequestKind.Control, Call: call));
        return call.Wait();
    }

    private VmReply Inspect()
    {
        try
        {
            return VmReply.Completed with { Status = Status(), Details = placement.Describe() with { Devices = driver.Devices, Balloon = balloon?.HasDriver == true ? balloon.Look() : null } };
        }
        catch (LinuxException ending)
        {
            // Its threads are gone.
            return VmReply.Error(ending.Message);
        }
    }

    private VmStatus Status() =>
        new(definition.Name, driver.State, Environment.ProcessId, engine.Name, definition.Cpus.VcpuCount, definition.MemoryBytes, driver.Reason);
}
