using System.Linq;
using System.Text.Json.Serialization;
using Hutch.Dev.DeviceFuzz;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Devices.Fuzz;

/// <summary>The stories of <c>./dev fuzz devices</c>, a few thousand actions for each kind of device: what a device throws, and a state that does not come back, fails.</summary>
public sealed class DeviceFuzzTests
{
    private const int Stories = 2, Actions = FuzzStory.MostActions;

    public static TheoryData<string> Kinds => [.. FuzzedDevices.All.Select(static kind => kind.Name)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Random_guests_do_no_harm(string kind)
    {
        FuzzReach reach = Tell(kind);
        switch (kind)
        {
            case "virtio-blk" or "virtio-scsi" or "ahci" or "ide": Assert.True(reach.DiskRequests > 10, $"{reach}"); break;
            case "virtio-net" or "e1000" or "rtl8139": Assert.True(reach.Sent > 10 && reach.Received > 0, $"{reach}"); break;
            case "tpm-crb": Assert.True(reach.Sent > 10 && reach.Received > 10, $"{reach}"); break;
            case "vhost-user-fs" or "vhost-user-blk": Assert.True(reach.Sent > 10 && reach.Received > 10 && reach.Interrupts > 10, $"{reach}"); break;
            case "vfio-pci": Assert.True(reach.Sent > 10 && reach.Interrupts > 0, $"{reach}"); break;
            case "vsock": Assert.True(reach.Received > 10 && reach.Interrupts > 10, $"{reach}"); break;
            case "serial" or "virtio-console" or "virtio-serial": Assert.True(reach.Sent > 10 && reach.Received > 0, $"{reach}"); break;
            case "debugcon": Assert.True(reach.Sent > 10, $"{reach}"); break;
            case "xhci" or "uhci" or "ehci" or "virtio-input" or "virtio-keyboard" or "virtio-tablet" or "virtio-rng" or "virtio-balloon" or "virtio-mem" or "virtio-gpu": Assert.True(reach.Interrupts > 10, $"{reach}"); break;
        }
    }

    [Fact]
    public void Every_kind_of_device_is_fuzzed()
    {
        string?[] known = [.. typeof(DeviceConfig).GetCustomAttributes(typeof(JsonDerivedTypeAttribute), false).Cast<JsonDerivedTypeAttribute>().Select(static each => each.TypeDiscriminator as string)];
        Assert.Empty(known.Except(FuzzedDevices.All.Select(static kind => kind.Name)));
    }

    [Fact]
    public void A_guest_that_does_the_same_again_comes_as_far()
    {
        // The device has no thread of its own.
        Assert.Equal($"{Tell("serial")}", $"{Tell("serial")}");
    }

    private static FuzzReach Tell(string kind)
    {
        FuzzReach reach = new();
        for (int story = 0; story < Stories; story++) FuzzStory.Tell(FuzzedDevices.All.First(each => each.Name == kind), story, Actions, reach, static _ => { });
        return reach;
    }
}
