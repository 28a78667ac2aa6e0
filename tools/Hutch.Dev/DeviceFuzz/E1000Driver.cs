using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a driver of the 82540EM (its manual §3.2, §3.3): rings of all kinds of descriptors, large segments and VLANs among them.</summary>
internal sealed class E1000Driver(FuzzMachine machine, Random random) : FuzzDriver(machine, random)
{
    private const ulong Receive = FuzzMachine.Arena, Transmit = FuzzMachine.Arena + 0x1000;
    private const int RingSize = 64;

    private uint _sent, _given;

    private uint this[int register] { set => Machine.Store(Bar(0) + (ulong)register, value, 4); }

    /// <inheritdoc/>
    private protected override void Begin() => Start();

    /// <inheritdoc/>
    private protected override void Drive()
    {
        switch (Random.Next(100))
        {
            case 0: Start(); break;
            case < 8: _ = Machine.Load(Bar(0) + 0xc0, 4); break;
            case < 20:
                for (int i = Random.Next(RingSize); i > 0; i--) Machine.Memory.TryWrite(Receive + (_given++ % RingSize * 16), Place());
                this[0x2818] = _given % RingSize;
                break;
            default:
                for (int i = Random.Next(1, 6); i > 0; i--) Put();
                this[0x3818] = _sent % RingSize;
                break;
        }
    }

    private void Start()
    {
        if (Random.Next(4) == 0) this[0] = 1u << 26;
        (_sent, _given) = (0, 0);
        this[0x2800] = (uint)Receive;
        this[0x2804] = this[0x3804] = 0;
        this[0x2808] = this[0x3808] = RingSize * 16;
        this[0x2810] = this[0x2818] = this[0x3810] = this[0x3818] = 0;
        this[0x3800] = (uint)Transmit;
        // All that there is of receiving and filters, by luck.
        this[0x100] = Random.Next(2) == 0 ? 0x801a : (uint)Random.NextInt64() | 2;
        this[0x400] = 0x0a;
        this[0x5000] = (uint)Random.Next(0x400);
        this[0x38] = 0x8100;
        this[0xd0] = uint.MaxValue;
    }

    private void Put()
    {
        // Lengths of frames, most ends of packets, and the kinds by their bits (§3.3.3, §3.3.6, §3.3.7).
        ulong options = (ulong)Random.NextInt64() & (Random.Next(2) == 0 ? ulong.MaxValue : 0xffff_ffff_fff0_07ff);
        options |= (Random.Next(3) == 0 ? 0x0100_0000UL : 0) | (Random.Next(2) == 0 ? 0x2010_0000UL : 0);
        Machine.Memory.TryWrite(Transmit + (_sent % RingSize * 16), Random.Next(4) == 0 ? Value() : Place());
        Machine.Memory.TryWrite(Transmit + (_sent % RingSize * 16) + 8, options);
        _sent++;
    }
}
