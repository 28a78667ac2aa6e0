using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a virtio SCSI driver (virtio 1.2 §5.6.6): its requests are commands for targets of which most are there.</summary>
internal sealed class ScsiDriver(FuzzMachine machine, Random random) : VirtioDriver(machine, random)
{
    private const uint HeaderBytes = 51, ResponseBytes = 108;
    private const int FirstRequestQueue = 2, MostTargets = 3, CommandStart = 19, CommandBytes = 16;

    private static ReadOnlySpan<byte> Commands =>
        [0x00, 0x03, 0x08, 0x0a, 0x12, 0x1a, 0x1b, 0x1e, 0x25, 0x28, 0x2a, 0x35, 0x41, 0x42, 0x5a, 0x88, 0x8a, 0x91, 0x93, 0x9e, 0xa0, 0xa8, 0xaa];

    /// <inheritdoc/>
    private protected override uint BufferLength(int index, int readable, int count) => Random.Next(16) == 0 ? base.BufferLength(index, readable, count)
        : index == 0 && readable != 0 ? HeaderBytes : index == readable ? ResponseBytes : base.BufferLength(index, readable, count);

    /// <inheritdoc/>
    private protected override void FillHeader(int queue, ulong place)
    {
        if (queue < FirstRequestQueue)
        {
            // A task management function for a target.
            Machine.Memory.TryWrite(place, (uint)Random.Next(3));
            Machine.Memory.TryWrite(place + 4, (uint)Random.Next(9));
            Machine.Memory.TryWrite(place + 8, 1UL | ((ulong)Random.Next(MostTargets) << 8));
            return;
        }
        Machine.Memory.TryWrite(place, (Random.Next(16) == 0 ? Value() : 1) | ((ulong)Random.Next(MostTargets) << 8) | (Random.Next(16) == 0 ? 0x40_0000UL << 8 : 0));
        for (ulong i = 1; i < CommandBytes; i++) Machine.Memory.TryWrite(place + CommandStart + i, (byte)(Random.Next(4) == 0 ? Random.Next(256) : Random.Next(2) * Random.Next(4)));
        Machine.Memory.TryWrite(place + CommandStart, Commands[Random.Next(Commands.Length)]);
    }
}
