using System;
using Hutch.Devices.Chipset;
using Hutch.Model.Machine;

namespace Hutch.Devices;

/// <summary>
/// Plugging of vCPUs while the guest runs, as the machine's owner sees it. Sets of vCPUs are bits, that of vCPU 0 the lowest. Called by the owner alone, but for the properties: any thread.
/// </summary>
public interface ICpuHotplug
{
    /// <summary>Those that are plugged in.</summary>
    ulong Present { get; }

    /// <summary>Those of <paramref name="cpus"/> that are not plugged in.</summary>
    ulong AbsentOf(CpuTopology cpus) => ~Present & (ulong.MaxValue >> (CpuHotplug.MostVcpus - Math.Min(cpus.VcpuCount, CpuHotplug.MostVcpus)));

    /// <summary>Those that were plugged in and that the guest has not said to use.</summary>
    ulong Offered { get; }

    /// <summary>Those that the guest is to give up.</summary>
    ulong Asked { get; }

    /// <summary>Those that the guest would not take, or not give up.</summary>
    ulong Refused { get; }

    /// <summary>Plugs vCPUs in and tells the guest.</summary>
    void PlugIn(ulong vcpus);

    /// <summary>
    /// Asks the guest to give up exactly these: what else it was asked for it may keep. When it has given one up, <see cref="IPlatformEvents.Ejected"/> follows. Those that it has not
    /// seen yet are given up at once.
    /// </summary>
    void AskFor(ulong vcpus);

    /// <summary>Those that the guest has given up since the last call.</summary>
    ulong TakeEjected();
}
