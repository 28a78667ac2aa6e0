using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a driver of the RTL8139C+ (its data sheet §5, §9): the four slots of the old mode, and rings of the new one.</summary>
internal sealed class Rtl8139Driver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ulong Send = FuzzMachine.Arena, Receive = FuzzMachine.Arena + 0x1000;
    private const int RingSize = 16;
    private const uint Own = 1u << 31, EndOfRing = 1u << 30;

    private uint _sent;
    private int _slot;

    private ulong Base => Bar(1);

    /// <inheritdoc/>
    private protected override void Begin() => Start();

    /// <inheritdoc/>
    private protected override void Drive()
    {
        switch (Random.Next(100))
        {
            case 0: Start(); break;
            case < 8: Machine.Store(Base + 0x3e, 0xffff, 2); break;
            case < 16: Machine.Store(Base + 0x38, (ulong)Random.Next(0x1_0000), 2); break;
            case < 24: Give(); break;
            case < 50:
                Machine.Store(Base + 0x20 + ((ulong)_slot * 4), Place(), 4);
                Machine.Store(Base + 0x10 + ((ulong)_slot * 4), (ulong)Random.Next(0x2000), 4);
                _slot = (_slot + 1) % 4;
                break;
            default:
                for (int i = Random.Next(1, 5); i > 0; i--) Put();
                Machine.Store(Base + 0xd9, 0x40, 1);
                break;
        }
    }

    private void Start()
    {
        if (Random.Next(2) == 0) Machine.Store(Base + 0x37, 0x10, 1);
        (_sent, _slot) = (0, 0);
        bool isPlus = Random.Next(3) != 0;
        Machine.Store(Base + 0xe0, isPlus ? 0x63UL : 0, 2);
        Machine.Store(Base + 0x37, 0x0c, 1);
        Machine.Store(Base + 0x44, (ulong)Random.Next(0x1_0000) | 0xf, 4);
        Machine.Store(Base + 0x30, Receive + 0x1000, 4);
        Machine.Store(Base + 0x3c, 0xffff, 2);
        if (!isPlus) return;
        Machine.Store(Base + 0x20, Send, 4);
        Machine.Store(Base + 0x24, 0, 4);
        Machine.Store(Base + 0xe4, Receive, 4);
        Machine.Store(Base + 0xe8, 0, 4);
        Give();
    }

    private void Give()
    {
        for (uint i = 0; i < RingSize; i++)
            Descriptor(Receive, i, (Random.Next(8) == 0 ? 0 : Own) | (i == RingSize - 1 ? EndOfRing : 0) | (uint)Random.Next(0x2000));
    }

    private void Put()
    {
        uint order = (Random.Next(16) == 0 ? 0 : Own) | (uint)Random.Next(16) << 26 | (uint)Random.Next(0x800) << 16 | (Random.Next(4) == 0 ? (uint)Random.Next(0x1_0000) : (uint)Random.Next(1600));
        if (Random.Next(16) != 0) order &= ~EndOfRing;
        Descriptor(Send, _sent % RingSize, order | (_sent % RingSize == RingSize - 1 ? EndOfRing : 0));
        _sent++;
    }

    private void Descriptor(ulong ring, uint index, uint order)
    {
        Machine.Memory.TryWrite(ring + (index * 16), order);
        Machine.Memory.TryWrite(ring + (index * 16) + 4, (uint)Value());
        Machine.Memory.TryWrite(ring + (index * 16) + 8, Place());
    }
}
