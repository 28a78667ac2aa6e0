using Hutch.Model.Machine;

namespace Hutch.Vmm.Run;

/// <summary>
/// The one owner of the machine's state. States: running → (reset) → running, or running → ended. Requests come through the
/// mailbox from any thread and are carried out here, one at a time, with every vCPU stopped.
/// </summary>
internal sealed class StateDriver(Machine machine, Mailbox mailbox, bool noReboot)
{
    /// <summary>Starts the machine and returns how it ended. The machine is then stopped, not disposed.</summary>
    internal MachineEnd Run()
    {
        machine.Start();
        while (true)
        {
            MachineRequest request = mailbox.Take();
            machine.Stop();
            if (request.Kind == RequestKind.Reset && !noReboot)
            {
                mailbox.ForgetResets();
                machine.Reset();
                machine.Start();
                continue;
            }
            return End(request);
        }
    }

    private static MachineEnd End(MachineRequest request) => request.Kind switch
    {
        RequestKind.Exit or RequestKind.Leave => new MachineEnd(request.Status),
        RequestKind.VcpuFailed => new MachineEnd(ExitStatus.GuestFailed, request.Detail),
        RequestKind.Defect => new MachineEnd(ExitStatus.InternalError, request.Detail),
        _ => new MachineEnd(ExitStatus.PoweredOff),
    };
}

/// <summary>How a machine ended.</summary>
/// <param name="Status">Exit status of the process.</param>
/// <param name="Error">What to tell the user, when the end was not in order. To be written after the terminal has its mode back.</param>
internal readonly record struct MachineEnd(int Status, string? Error = null);
