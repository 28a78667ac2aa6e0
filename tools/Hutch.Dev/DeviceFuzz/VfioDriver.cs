using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a device of the host: it switches between the kinds of interrupts, moves BARs, and writes the table of MSI-X, while the device interrupts.</summary>
internal sealed class VfioDriver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ulong Command = 4;

    /// <inheritdoc/>
    private protected override void Begin()
    {
        UnmaskPins();
        Machine.Store(Config + Command, 7, 2);
    }

    /// <inheritdoc/>
    private protected override void Drive()
    {
        switch (Random.Next(9))
        {
            case 0: Machine.Store(Config + FakeVfio.Msix + 2, (ulong)Random.Next(4) << 14, 2); break;
            case 1: Machine.Store(Config + FakeVfio.Msi + 2, (ulong)Random.Next(128), 2); break;
            case 2: Machine.Store(Config + FakeVfio.Msi + ((ulong)Random.Next(6) * 4), Value(), 4); break;
            case 3: Machine.Vfio!.Interrupt(Random.Next(3), Random.Next(FakeVfio.Vectors)); break;
            case 4: Machine.Store(Config + ((ulong)Random.Next(64) * 4), Value(), 4); break;
            case 5: _ = Machine.Load(Config + ((ulong)Random.Next(64) * 4), 1 << Random.Next(3)); break;
            case 6: Machine.Store(Bar(0) + FakeVfio.Table - 16 + ((ulong)Random.Next(32) * 4), Value(), 1 << Random.Next(4)); break;
            case 7: Begin(); break;
            default:
                Machine.Store(Bar(0) + ((ulong)Random.Next(0x1000) * 4), Value(), 1 << Random.Next(4));
                _ = Machine.Load(Bar(0) + ((ulong)Random.Next(0x1000) * 4), 1 << Random.Next(4));
                break;
        }
    }
}
