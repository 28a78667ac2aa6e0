using System;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.GuestTests;

/// <summary>Network cards that exist as hardware, with Linux's own drivers of them.</summary>
public sealed class EmulatedCardTests : IDisposable
{
    private const int TransferBytes = 4 << 20;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static Task<Vm> Boot(params string[] options) => Vm.Boot([.. StockGuest.Options, .. options]);

    [SlirpTheory]
    [InlineData("e1000", "e1000")]
    [InlineData("rtl8139", "8139cp")]
    public async Task What_is_sent_both_ways_arrives_whole(string model, string driver)
    {
        await using Vm vm = await Boot("--net", $"user,model={model}");
        Assert.Contains("inet addr:10.0.2.15", await vm.Shell(StockGuest.BringNetworkUp), StringComparison.Ordinal);
        Assert.EndsWith($"/{driver}", await vm.Shell("readlink /sys/class/net/eth0/device/driver"), StringComparison.Ordinal);
        Assert.Contains("1 packets received", await vm.Shell("ping -c 1 10.0.2.2"), StringComparison.Ordinal);
        await FileExchange.BothWays(vm, TransferBytes);
        Assert.Equal("0\n0\n0\n0", await vm.Shell("cd /sys/class/net/eth0/statistics; cat rx_errors tx_errors rx_dropped tx_dropped; cd"));
        Assert.Equal(0, await vm.PowerOff());
    }

    [SlirpTheory]
    [InlineData("e1000")]
    [InlineData("rtl8139")]
    public async Task The_cable_can_be_pulled_and_a_saved_machine_reaches_its_network(string model)
    {
        string name = $"{model}-{Environment.ProcessId}", state = _folder.File("state");
        await using (Vm vm = await Boot("--name", name, "--net", $"user,model={model}"))
        {
            Assert.Contains("inet addr:10.0.2.15", await vm.Shell(StockGuest.BringNetworkUp), StringComparison.Ordinal);
            Assert.Equal(0, (await Launcher.Run("set", name, "--link", "nic0=down")).Status);
            await vm.Shell("until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do usleep 20000; done");
            Assert.Equal(0, (await Launcher.Run("set", name, "--link", "nic0=up")).Status);
            await vm.Shell("until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do usleep 20000; done; ping -c 1 10.0.2.2");
            Assert.Equal(0, (await Launcher.Run("save", name, state)).Status);
            Assert.Equal(0, await vm.WaitForExit());
        }
        await using Vm back = Vm.Restore(state);
        back.Send("\n");
        await back.WaitFor("~ # ");
        Assert.Contains("1 packets received", await back.Shell("ping -c 1 10.0.2.2"), StringComparison.Ordinal);
        Assert.Equal(0, await back.PowerOff());
    }
}
