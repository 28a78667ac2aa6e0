using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a driver of the GPU device (virtio 1.2 §5.7.6): few resources of small sizes, so that commands meet ones that are there.</summary>
internal sealed class GpuDriver(FuzzMachine machine, Random random) : VirtioDriver(machine, random)
{
    private const uint RequestBytes = 56;
    private const int Resources = 5, ControlQueue = 0, FirstCommand = 0x100, Commands = 12, Header = 24;

    private static ReadOnlySpan<uint> Formats => [1, 2, 3, 4, 67, 68, 121, 134];

    /// <inheritdoc/>
    private protected override uint BufferLength(int index, int readable, int count) =>
        Random.Next(16) == 0 ? base.BufferLength(index, readable, count) : index < readable ? RequestBytes : 1056;

    /// <inheritdoc/>
    private protected override void FillHeader(int queue, ulong place)
    {
        uint command = queue == ControlQueue ? (uint)(FirstCommand + Random.Next(Commands)) : 0x300 + (uint)Random.Next(2);
        Put(place, 0, Random.Next(64) == 0 ? (uint)Value() : command);
        Put(place, 4, (uint)Random.Next(2));
        switch (command)
        {
            case 0x101:
                Put(place, Header, Resource());
                Put(place, Header + 4, Random.Next(16) == 0 ? (uint)Value() : Formats[Random.Next(Formats.Length)]);
                Put(place, Header + 8, Side());
                Put(place, Header + 12, Side());
                break;
            case 0x103 or 0x104 or 0x105:
                for (ulong field = 0; field < 16; field += 4) Put(place, Header + field, Random.Next(16) == 0 ? (uint)Value() : (uint)Random.Next(40) * (uint)Random.Next(2));
                Put(place, Header + 16, command == 0x104 ? Resource() : Random.Next(8) == 0 ? (uint)Value() : 0);
                Put(place, Header + 20, command == 0x103 ? Resource() : 0);
                Put(place, Header + 24, Resource());
                break;
            case 0x106:
                Put(place, Header, Resource());
                Put(place, Header + 4, Random.Next(8) == 0 ? (uint)Value() : 1);
                Machine.Memory.TryWrite(place + Header + 8, Place());
                Put(place, Header + 16, Random.Next(8) == 0 ? Length() : 0x8000);
                break;
            case 0x300 or 0x301:
                Put(place, Header, Random.Next(16) == 0 ? (uint)Value() : 0);
                Put(place, Header + 4, (uint)Random.Next(-70, 70));
                Put(place, Header + 8, (uint)Random.Next(-70, 70));
                Put(place, Header + 16, Resource());
                break;
            default:
                Put(place, Header, Resource());
                break;
        }
    }

    private uint Resource() => (uint)Random.Next(Resources);

    private uint Side() => Random.Next(8) switch { 0 => (uint)Value(), < 3 => (uint)Random.Next(1, 500), _ => 64 };

    private void Put(ulong place, ulong offset, uint value) => Machine.Memory.TryWrite(place + offset, value);
}
