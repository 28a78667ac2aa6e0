using System.Threading;
using Hutch.Devices;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>
/// Driver and device on two threads, each suppressing the other's notifications as far as virtio 1.2 §2.7.7 and §2.7.10 allow. A lost
/// wake-up shows as a wait that never ends. It finds wrong comparisons and wrong order; a missing fence only by luck, because the window
/// is a few instructions wide.
/// </summary>
public sealed class VirtioWakeUpTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void No_wake_up_is_lost(bool eventIndex)
    {
        using TestMachine machine = new();
        using IDevice device = DeviceFactories.Create(new VirtioRngConfig("rng0"), machine.Services);
        machine.Pci.AssignResources(0, 0);
        device.Start();
        VirtioDriver driver = new(machine, 1);
        driver.Bring(1, (1UL << 32) | (eventIndex ? 1UL << 29 : 0));
        for (int i = 0; i < VirtioDriver.QueueSize; i++) driver.WriteDescriptor(0, i, 0x20_0000 + (64UL * (uint)i), 8, 2, 0);

        ushort offered = 0, taken = 0;
        int kicks = 0;
        for (int round = 0; round < 20_000; round++)
        {
            // Between 1 and a queue full at a time, so that both sides run dry now and then and overtake each other.
            for (int burst = 1 + (round % 5); burst > 0 && (ushort)(offered - taken) < VirtioDriver.QueueSize; burst--)
            {
                driver.Offer(0, (ushort)(offered % VirtioDriver.QueueSize), kick: false);
                offered++;
                if (!WantsKick(machine, offered, eventIndex)) continue;
                driver.Kick(0);
                kicks++;
            }
            if (round % 3 == 0 || taken == offered) continue;
            while (!driver.TryTakeUsed(0, out _, out _)) Assert.True(machine.Router.WaitOne());
            do taken++;
            while (taken != offered && driver.TryTakeUsed(0, out _, out _));
        }
        Assert.InRange(kicks, 1, int.MaxValue);
        Assert.Equal(15, driver.Status);
    }

    private static bool WantsKick(TestMachine machine, ushort offered, bool eventIndex)
    {
        Thread.MemoryBarrier();
        machine.Memory.TryRead(VirtioDriver.Used(0), out ushort flags);
        machine.Memory.TryRead(VirtioDriver.Used(0) + 4 + (8UL * VirtioDriver.QueueSize), out ushort availEvent);
        return eventIndex ? (ushort)(offered - availEvent - 1) < 1 : (flags & 1) == 0;
    }
}
