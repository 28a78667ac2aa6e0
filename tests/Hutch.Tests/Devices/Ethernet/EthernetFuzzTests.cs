using System;
using Hutch.Tests.Devices.Virtio;
using Xunit;
using static Hutch.Tests.Devices.Ethernet.E1000Driver;

namespace Hutch.Tests.Devices.Ethernet;

/// <summary>Random guests. A failure names its seed in the test's name; nothing else is random.</summary>
public sealed class EthernetFuzzTests : IDisposable
{
    private const int Accesses = 1_000_000;

    private static readonly int[] Registers =
        [0x0, 0x8, 0x10, 0x14, 0x20, 0x38, 0xc0, 0xc4, 0xc8, 0xd0, 0xd8, 0x100, 0x400, 0x2800, 0x2808, 0x2810, 0x2818, 0x2820, 0x282c, 0x3800, 0x3808, 0x3810, 0x3818, 0x3820, 0x5000, 0x5404];

    private readonly TestMachine _machine = new();
    private readonly FakeNetwork _network = new();

    public void Dispose() => _machine.Dispose();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_register_accesses_leave_an_e1000_that_works(int seed)
    {
        using E1000Driver driver = new(_machine, _network);
        Random random = new(seed);
        for (int i = 0; i < Accesses; i++)
        {
            int width = 1 << random.Next(4);
            int register = random.Next(4) == 0 ? random.Next(0x2_0000 - 8) : Registers[random.Next(Registers.Length)];
            if (i % 1000 == 0) _network.Arrive(Frame(60 + random.Next(2000)));
            switch (random.Next(8))
            {
                case 0: _ = _machine.Load(driver.Base + (ulong)register, width); break;
                case 1: _machine.Out((ushort)(driver.Io + random.Next(9)), (uint)Value(random), Math.Min(width, 4)); break;
                case 2: _ = _machine.In((ushort)(driver.Io + random.Next(9)), Math.Min(width, 4)); break;
                case 3: _machine.Timers.Advance(random.Next(100_000)); break;
                default: _machine.Store(driver.Base + (ulong)register, Value(random), random.Next(4) == 0 ? width : 4); break;
            }
        }
        AssertWorks(driver);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void Random_descriptors_leave_an_e1000_that_works(int seed)
    {
        using E1000Driver driver = new(_machine, _network);
        Random random = new(seed);
        for (int round = 0; round < 2_000; round++)
        {
            driver.Bring(random.Next(2) == 0 ? 0x801a : (uint)random.NextInt64() | 2);
            for (int i = 0; i < RingSize; i++)
            {
                ulong address = random.Next(8) == 0 ? Value(random) : (ulong)random.Next(1 << 20, 32 << 20);
                driver.Put(address, (ulong)random.NextInt64() & (random.Next(2) == 0 ? ulong.MaxValue : 0xffff_ffff_fff0_07ff) | (random.Next(3) == 0 ? 0x0100_0000UL : 0) | (random.Next(2) == 0 ? 0x2010_0000UL : 0));
                if (random.Next(8) == 0) _machine.Memory.TryWrite(Received + ((ulong)i * 16), Value(random));
            }
            _network.Arrive(Frame(60 + random.Next(3000)));
            driver[0x3818] = (uint)random.Next(RingSize + 1);
            if (random.Next(8) == 0) driver[0] = 1u << 26;
            while (_network.Sent.TryTake(out _)) { }
        }
        AssertWorks(driver);
    }

    private void AssertWorks(E1000Driver driver)
    {
        driver.Device.Stop();
        driver.Device.Reset();
        driver.Device.Start();
        _machine.WriteConfig(1, 0x10, (uint)driver.Base);
        _machine.WriteConfig(1, 4, 7, 2);
        driver.Bring(0x800a);
        while (_network.Sent.TryTake(out _)) { }
        _machine.Memory.TryCopyIn(Data, Frame(77));
        driver.PutLegacy(77);
        driver.Go();
        Assert.Equal(Frame(77), _network.Take().Frame);
    }

    // Small numbers, addresses in RAM, and noise: each finds other paths.
    private static ulong Value(Random random) => random.Next(5) switch
    {
        0 => (ulong)random.Next(64),
        1 => 1UL << random.Next(64),
        2 => (ulong)random.Next(0x10_0000, 0x100_0000) & ~0xfffUL,
        3 => ulong.MaxValue,
        _ => (ulong)random.NextInt64(),
    };
}
