using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a driver of sockets (virtio 1.2 §5.10.6): its packets are of few ports, so that some are of connections.</summary>
internal sealed class VsockDriver(FuzzMachine machine, Random random) : VirtioDriver(machine, random)
{
    private const int FromDriver = 1, MostPorts = 2, MostOperations = 9;
    private const uint HeaderBytes = 44;

    /// <inheritdoc/>
    private protected override uint BufferLength(int index, int readable, int count) =>
        index == 0 && Random.Next(16) != 0 ? HeaderBytes : base.BufferLength(index, readable, count);

    /// <inheritdoc/>
    private protected override void FillHeader(int queue, ulong place)
    {
        if (queue != FromDriver) return;
        Machine.Memory.TryWrite(place, Random.Next(32) == 0 ? Value() : 3UL);
        Machine.Memory.TryWrite(place + 8, Random.Next(32) == 0 ? Value() : 2UL);
        Machine.Memory.TryWrite(place + 16, (uint)Random.Next(MostPorts));
        Machine.Memory.TryWrite(place + 20, (Random.Next(3) == 0 ? 1U << 30 : 0) + (uint)Random.Next(MostPorts));
        Machine.Memory.TryWrite(place + 24, (uint)(Random.Next(4) == 0 ? Random.Next(70_000) : Random.Next(8)));
        Machine.Memory.TryWrite(place + 28, (ushort)(Random.Next(32) == 0 ? Random.Next(4) : 1));
        Machine.Memory.TryWrite(place + 30, (ushort)(Random.Next(2) == 0 ? 5 : Random.Next(MostOperations)));
        Machine.Memory.TryWrite(place + 32, (uint)Random.Next(4));
        Machine.Memory.TryWrite(place + 36, Random.Next(4) == 0 ? (uint)Value() : 1U << 20);
    }
}
