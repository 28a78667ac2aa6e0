using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Management;
using Hutch.Management.Machines;
using Hutch.Model.Machine;

namespace Hutch.Tests.Management;

/// <summary>Starts machines that run nowhere, in this process.</summary>
/// <param name="folder">Where they have their folders.</param>
internal sealed class FakeStarter(string folder) : IMachineStarter, IDisposable
{
    /// <summary>What was started, the latest last.</summary>
    internal List<(MachineDefinition Definition, FakeMachine Machine)> Started { get; } = [];

    /// <summary>What the next start is refused with.</summary>
    internal string? Refusal { get; set; }

    /// <summary>What the links of serial ports lead to.</summary>
    internal string Terminal { get; set; } = "/dev/pts/77";

    internal FakeMachine Last => Started[^1].Machine;

    public ValueTask<int> StartAsync(MachineDefinition definition, bool isPaused, string log, CancellationToken cancellation)
    {
        if (Refusal is not null) throw new ManagementException(FailureKind.Refused, Refusal);
        foreach (SerialConfig port in definition.Devices.OfType<SerialConfig>())
        {
            if (port.Backend is not { Kind: CharacterBackendKind.Pty, Path: { } link }) continue;
            File.Delete(link);
            File.CreateSymbolicLink(link, Terminal);
        }
        string state = isPaused ? Hutch.Model.Control.VmState.Paused : Hutch.Model.Control.VmState.Running;
        Directory.CreateDirectory(Path.Combine(folder, definition.Name));
        File.Delete(Path.Combine(folder, definition.Name, Hutch.Model.Control.VmName.SocketFile));
        Started.Add((definition, new FakeMachine(folder, definition.Name) { State = state }));
        return ValueTask.FromResult(Environment.ProcessId);
    }

    public void Kill(int process)
    {
        foreach ((_, FakeMachine machine) in Started) machine.End(why: null);
    }

    public void Dispose() => Kill(0);
}
