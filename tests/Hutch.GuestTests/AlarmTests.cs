using System;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Guests in trouble, with Linux's own drivers of the watchdog and of pvpanic.</summary>
public sealed class AlarmTests
{
    [Fact]
    public async Task A_guest_that_does_not_feed_its_watchdog_is_reset()
    {
        await using Vm vm = await Vm.Boot([.. StockGuest.Options, "--device", "i6300esb,id=dog"]);
        // Two seconds to the alarm, and nobody who feeds.
        vm.Send("watchdog -T 2 -t 1000 /dev/watchdog\n");
        await vm.WaitFor(Vm.Greeting, seconds: 300);
        await vm.WaitFor("~ # ");
        Assert.Contains("The guest did not stop its watchdog 'dog' in time; the machine is reset.", vm.Errors, StringComparison.Ordinal);
        Assert.Equal(0, await vm.PowerOff());
    }

    [Fact]
    public async Task A_guest_that_panics_ends_where_that_is_wanted()
    {
        await using Vm vm = await Vm.Boot([.. StockGuest.Options, "--device", "pvpanic,id=panic,action=poweroff"]);
        Assert.Equal("3", await vm.Shell("cat /sys/bus/pci/drivers/pvpanic-pci/0000*/capability"));
        vm.Send("echo c >/proc/sysrq-trigger\n");
        Assert.Equal(0, await vm.WaitForExit());
        Assert.Contains("The guest's kernel panicked ('panic'); the machine ends.", vm.Errors, StringComparison.Ordinal);
    }
}
