using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Core.State;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Hutch.Vmm.Control;
using Hutch.Vmm.Run;

namespace Hutch.Vmm.Snapshot;

/// <summary>A client's request to save the machine.</summary>
/// <param name="Path">Where to, absolute.</param>
/// <param name="Then">What follows, one of the words of <see cref="VmVerb.Save"/>.</param>
internal sealed record SaveCall(string Path, string Then)
{
    // The client is told, and asked whether it is still there, so often.
    private const long ReportBytes = 32 << 20;

    /// <summary>The machine ends when it is saved.</summary>
    internal const string Quit = "quit";

    /// <summary>The machine goes on as before.</summary>
    internal const string Resume = "resume";

    /// <summary>The machine is paused afterwards.</summary>
    internal const string Pause = "pause";

    /// <summary>Reads a request's options. Null and a sentence for those that cannot be.</summary>
    internal static SaveCall? Read(VmRequest request, out string mistake)
    {
        foreach (KeyValuePair<string, string> option in request.Options)
        {
            mistake = $"The verb save has no option '{option.Key}'; it has file and then.";
            if (option.Key is not ("file" or "then")) return null;
        }
        mistake = "The verb save needs the option file with an absolute path.";
        if (!request.Options.TryGetValue("file", out string? file) || !System.IO.Path.IsPathRooted(file) || file.Contains('\0', StringComparison.Ordinal)) return null;
        mistake = $"The option then of the verb save is one of {Quit}, {Resume} and {Pause}.";
        string then = request.Options.GetValueOrDefault("then", Quit);
        return then is Quit or Resume or Pause ? new SaveCall(file, then) : null;
    }

    /// <summary>Saves a stopped machine. Null when that went well, else a sentence; then the file is as it was.</summary>
    internal string? Save(Machine machine, MachineDefinition definition, ControlCall call, Func<bool> isLeaving)
    {
        if (definition.Devices.FirstOrDefault(static device => device.IsTemporary) is DeviceConfig disk)
            return $"What the guest wrote to '{disk.Id}' ends with the machine (snapshot=on), and a saved machine could not go on without it; run a machine whose disk stays.";
        if (definition.Devices.FirstOrDefault(static device => device.ReachesMemoryItself) is DeviceConfig own)
            return $"A part of the state of '{own.Id}' is in a device of this host, which cannot be saved with the machine; run a machine without that device.";
        if (definition.Devices.FirstOrDefault(static device => device.KeepsStateElsewhere) is DeviceConfig served)
            return $"A part of the state of '{served.Id}' is in the program that serves it, which cannot be saved with the machine; run a machine without that device.";
        try
        {
            StateSections sections = machine.Save(MachineWriter.Write(definition));
            long total = (long)machine.Memory.LengthBytes;
            bool GoOn(long done)
            {
                if (done % ReportBytes != 0) return true;
                call.Report(done, total);
                return !call.IsCancelled && !isLeaving();
            }
            return new StateFileWriter(sections, machine.Memory).Write(Path, GoOn) ? null : "The save was given up.";
        }
        catch (StateException failed)
        {
            return failed.Message;
        }
    }
}
