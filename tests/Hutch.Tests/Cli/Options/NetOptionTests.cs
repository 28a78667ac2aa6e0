using System;
using Hutch.Cli;
using Hutch.Cli.Options;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Cli.Options;

public sealed class NetOptionTests
{
    private static VirtioNetConfig Parse(string value) => (VirtioNetConfig)NetOption.Parse(value, "nic0", "web")!;

    [Fact]
    public void A_card_without_an_address_has_one_of_its_machine()
    {
        string address = Parse("user").Mac;
        Assert.StartsWith("52:54:00:", address, StringComparison.Ordinal);
        Assert.Equal(address, NetOption.Parse("tap", "nic0", "web")!.Mac);
        Assert.NotEqual(address, NetOption.Parse("user", "nic1", "web")!.Mac);
        Assert.NotEqual(address, NetOption.Parse("user", "nic0", "web2")!.Mac);
        Assert.Null(NetOption.Parse("none", "nic0", "web"));
    }

    [Fact]
    public void A_card_of_another_model_has_what_all_cards_have()
    {
        E1000Config card = Assert.IsType<E1000Config>(NetOption.Parse("tap,link=down,mac=52:54:00:00:00:01,model=e1000,ifname=tap7", "nic0", "web"));
        Assert.IsType<Rtl8139Config>(NetOption.Parse("user,model=rtl8139", "nic0", "web"));
        Assert.Equal(("nic0", "52:54:00:00:00:01", true, "tap7"), (card.Id, card.Mac, card.LinkDown, card.Backend.Interface));
    }

    [Fact]
    public void Everything_said_is_in_the_definition()
    {
        VirtioNetConfig card = Parse("user,id=lan,model=virtio,mac=52-54-00-0A-0b-0C,mtu=1400,queues=2,link=down,in=10M/1M,out=1K,hostfwd=tcp::8080-:80,hostfwd=udp:127.0.0.1:0-10.0.2.20:53,"
            + "restrict=on,ipv6=off,net=10.1.0.0/16,host=10.1.0.1,dns=10.1.0.2,dhcpstart=10.1.0.9,hostname=h,tftp=/a,,b,bootfile=f,capture=/c");
        Assert.Equal(("lan", "52:54:00:0a:0b:0c", 1400, 2, true), (card.Id, card.Mac, card.MtuBytes, card.Queues, card.LinkDown));
        NetBackendConfig network = card.Backend;
        Assert.Equal((new NetRate(10 << 20, 1 << 20), new NetRate(1 << 10)), (network.Inbound, network.Outbound));
        Assert.Equal((PortForward[])[new PortForward(false, "0.0.0.0", 8080, "0.0.0.0", 80), new PortForward(true, "127.0.0.1", 0, "10.0.2.20", 53)], (PortForward[])[.. network.Forwards]);
        Assert.Equal((true, true, "10.1.0.0/16", "10.1.0.1", "10.1.0.2", "10.1.0.9"), (network.Restrict, network.NoIPv6, network.Network, network.Host, network.Dns, network.DhcpStart));
        Assert.Equal(("h", "/a,b", "f", "/c"), (network.Hostname, network.Tftp, network.BootFile, network.Capture));
        Assert.Equal((NetBackendKind.Tap, "tap7"), (Parse("tap,ifname=tap7").Backend.Kind, Parse("tap,ifname=tap7").Backend.Interface));
        Assert.Equal((NetBackendKind.Bridge, "br0"), (Parse("bridge=br0").Backend.Kind, Parse("bridge=br0").Backend.Interface));
        Assert.Equal((NetBackendKind.Passt, "/s"), (Parse("passt=/s").Backend.Kind, Parse("passt=/s").Backend.Path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("wire")]
    [InlineData("bridge")]
    [InlineData("bridge=a-name-that-is-too-long")]
    [InlineData("none,mac=52:54:00:00:00:01")]
    [InlineData("user,mac")]
    [InlineData("user,mac=ff:ff:ff:ff:ff:ff")]
    [InlineData("user,mac=52:54:00:00:00:0g")]
    [InlineData("user,queues=0")]
    [InlineData("user,queues=17")]
    [InlineData("user,mtu=67")]
    [InlineData("user,model=ne2000")]
    [InlineData("user,model=e1000,queues=2")]
    [InlineData("user,mtu=1400,model=e1000")]
    [InlineData("user,model=e1000,model=e1000")]
    [InlineData("user,restrict=maybe")]
    [InlineData("user,net=1.2.3.0/24,net=1.2.4.0/24")]
    [InlineData("user,ifname=tap0")]
    [InlineData("tap,hostfwd=tcp::1-:2")]
    [InlineData("user,hostfwd=sctp::1-:2")]
    [InlineData("user,hostfwd=tcp::1")]
    [InlineData("user,hostfwd=tcp::1-:0")]
    [InlineData("user,hostfwd=tcp::65536-:1")]
    [InlineData("user,hostfwd=tcp:1-:2")]
    [InlineData("user,in=0")]
    [InlineData("user,in=1M/0")]
    [InlineData("user,in=1M/1M/1M")]
    public void What_is_not_understood_is_an_error_of_the_command_line(string value) =>
        Assert.Equal(ExitStatus.Usage, Assert.Throws<UserException>(() => Parse(value)).Status);
}
