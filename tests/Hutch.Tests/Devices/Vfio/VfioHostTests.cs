using System;
using System.IO;
using Hutch.Dev.DeviceFuzz;
using Hutch.Devices;
using Hutch.Host.Vfio;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;
using Xunit;

namespace Hutch.Tests.Devices.Vfio;

/// <summary>How a device of the host is found and opened (linux/vfio.h, linux/iommufd.h), and every sentence for what is in the way.</summary>
public sealed class VfioHostTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-vfio-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Refusal(FakeVfio vfio, string address = FakeVfio.Address)
    {
        using TestMachine machine = new(hostDevices: new VfioHost(vfio, _folder));
        string message = Assert.Throws<ConfigException>(() => DeviceFactories.Create(new VfioPciConfig("card", address), machine.Services)).Message;
        Assert.Equal(0, vfio.Held);
        Assert.False(machine.Services.HostDevices.IsInUse);
        Assert.StartsWith("The device 'card' cannot be made: ", message, StringComparison.Ordinal);
        return message["The device 'card' cannot be made: ".Length..];
    }

    [Fact]
    public void Where_the_kernel_has_a_file_for_it_it_is_opened_by_iommufd()
    {
        using FakeVfio vfio = new(_folder, hasNode: true);
        using (TestMachine machine = new(hostDevices: new VfioHost(vfio, _folder)))
        {
            using IDevice device = DeviceFactories.Create(new VfioPciConfig("card", FakeVfio.Address), machine.Services);
            Assert.Equal(["/dev/iommu", "/dev/iommu", "/dev/vfio/devices/vfio3"], vfio.Opened);
            Assert.Equal((0UL, machine.Memory.LengthBytes), (Assert.Single(vfio.Dma).Address, vfio.Dma[0].Length));
        }
        Assert.Equal(0, vfio.Held);
        vfio.Refuses = (0x3b76, 1);
        vfio.Bind(FakeVfio.Other, "snd_hda_intel");
        Assert.Contains("the host drives other devices of its IOMMU group 7: 0000:01:00.1 (snd_hda_intel).", Refusal(vfio), StringComparison.Ordinal);
    }

    [Fact]
    public void Without_an_iommu_there_is_no_pass_through()
    {
        using FakeVfio vfio = new(_folder);
        Directory.Delete(Path.Combine(_folder, "sys/kernel/iommu_groups"), recursive: true);
        Assert.Equal("0000:01:00.0 cannot be passed through: this host has no IOMMU in use (/sys/kernel/iommu_groups is empty). Switch VT-d or AMD-Vi on in its firmware, and boot it with intel_iommu=on or amd_iommu=on.", Refusal(vfio));
    }

    [Fact]
    public void The_device_is_there_and_bound()
    {
        using FakeVfio vfio = new(_folder);
        Assert.Equal("There is no PCI device 0000:02:00.0 on this host; lspci -D lists them.", Refusal(vfio, "0000:02:00.0"));
        vfio.Bind(FakeVfio.Address, "igb");
        Assert.Equal("0000:01:00.0 is in use by the host's driver igb; bind it to vfio-pci, as root: modprobe vfio-pci; echo vfio-pci > /sys/bus/pci/devices/0000:01:00.0/driver_override; "
            + "echo 0000:01:00.0 > /sys/bus/pci/devices/0000:01:00.0/driver/unbind; echo 0000:01:00.0 > /sys/bus/pci/drivers_probe", Refusal(vfio));
        vfio.Bind(FakeVfio.Address, "");
        Assert.Equal("0000:01:00.0 is bound to no driver; bind it to vfio-pci, as root: modprobe vfio-pci; echo vfio-pci > /sys/bus/pci/devices/0000:01:00.0/driver_override; "
            + "echo 0000:01:00.0 > /sys/bus/pci/drivers_probe", Refusal(vfio));
        File.Delete(Path.Combine(_folder, "sys/bus/pci/devices", FakeVfio.Address, "iommu_group"));
        Assert.Contains("it is behind no IOMMU", Refusal(vfio), StringComparison.Ordinal);
    }

    [Fact]
    public void A_group_that_the_host_uses_too_is_not_taken()
    {
        using FakeVfio vfio = new(_folder) { IsViable = false };
        vfio.Bind(FakeVfio.Other, "snd_hda_intel");
        Assert.Equal("0000:01:00.0 cannot be passed through alone: the host drives other devices of its IOMMU group 7: 0000:01:00.1 (snd_hda_intel). Bind each of them to vfio-pci too, as root: modprobe vfio-pci; "
            + "echo vfio-pci > /sys/bus/pci/devices/0000:01:00.1/driver_override; echo 0000:01:00.1 > /sys/bus/pci/devices/0000:01:00.1/driver/unbind; echo 0000:01:00.1 > /sys/bus/pci/drivers_probe", Refusal(vfio));
    }

    [Theory]
    [InlineData("/dev/vfio/vfio", 2, "/dev/vfio/vfio, by which 0000:01:00.0 is passed through, does not exist; load the driver with modprobe vfio-pci")]
    [InlineData("/dev/vfio/7", 2, "/dev/vfio/7, by which 0000:01:00.0 is passed through, does not exist; load")]
    [InlineData("/dev/vfio/7", 13, "/dev/vfio/7, by which 0000:01:00.0 is passed through, is not for this user; as root: chown $USER /dev/vfio/7.")]
    [InlineData("/dev/vfio/7", 16, "is in use by another program; end that one.")]
    [InlineData("/dev/vfio/7", 5, "refuses open: Input/output error; dmesg")]
    public void Its_files_are_there_and_for_this_user(string path, int errno, string sentence)
    {
        using FakeVfio vfio = new(_folder);
        vfio.Refused[path] = errno;
        Assert.Contains(sentence, Refusal(vfio), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x3b71, 12, "The 32 MiB of guest memory cannot be kept in place for 0000:01:00.0: Cannot allocate memory. Raise the limit of locked memory (ulimit -l unlimited")]
    [InlineData(0x3b65, 22, "has no IOMMU of type 1 v2; load the driver with modprobe vfio_iommu_type1.")]
    [InlineData(0x3b66, 19, "refuses VFIO_SET_IOMMU: No such device")]
    [InlineData(0x3b6a, 22, "refuses VFIO_GROUP_GET_DEVICE_FD")]
    [InlineData(0x3b6b, 22, "is no PCI device to VFIO")]
    public void A_refusal_of_the_kernel_is_told(uint request, int errno, string sentence)
    {
        using FakeVfio vfio = new(_folder) { Refuses = (request, errno) };
        Assert.Contains(sentence, Refusal(vfio), StringComparison.Ordinal);
    }

    [Fact]
    public void A_bridge_is_not_taken()
    {
        using FakeVfio vfio = new(_folder);
        vfio.Regions[7][0x0e] = 0x81;
        Assert.Equal("0000:01:00.0 is a bridge; choose a device behind it.", Refusal(vfio));
    }
}
