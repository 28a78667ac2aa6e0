using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a driver of a console with several ports (virtio 1.2 §5.3.6.2): its control messages are for ports of which most are there.</summary>
internal sealed class SerialDriver(FuzzMachine machine, Random random) : VirtioDriver(machine, random)
{
    private const int ControlFromDriver = 3, MostPorts = 5, MostEvents = 9;

    /// <inheritdoc/>
    private protected override void FillHeader(int queue, ulong place)
    {
        if (queue != ControlFromDriver) return;
        Machine.Memory.TryWrite(place, (uint)Random.Next(MostPorts));
        Machine.Memory.TryWrite(place + 4, (ushort)(Random.Next(2) == 0 ? 6 : Random.Next(MostEvents)));
        Machine.Memory.TryWrite(place + 6, (ushort)(Random.Next(4) == 0 ? 0 : 1));
    }
}
