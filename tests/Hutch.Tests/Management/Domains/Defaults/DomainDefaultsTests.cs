using System.Collections.Generic;
using System.Linq;
using Hutch.Daemon.Libvirt.Xml;
using Hutch.Management;
using Hutch.Management.Domains.Defaults;
using Hutch.Model.Domains;
using Hutch.Tests.Daemon.Libvirt.Xml;
using Xunit;
using static Hutch.Tests.Management.Domains.Defaults.DefaultsFixture;

namespace Hutch.Tests.Management.Domains.Defaults;

/// <summary>What stock libvirt 9.0 made of the same documents.</summary>
public sealed class DomainDefaultsTests
{
    /// <summary>An ARM machine, which Hutch has none of.</summary>
    private const string OtherArchitecture = "client-in/domain--vi-arm.xml";

    public static TheoryData<string> All => [.. Fixture.Names("client-in", "domain--*.xml").Where(static name => name != OtherArchitecture)];

    [Theory]
    [InlineData("vi-kernelboot", "canonical/domain-q35-inactive.xml")]
    [InlineData("virsh-define-2", "server-out/domain-inactive--py-mimic.xml")]
    [InlineData("virt-xml", "server-out/domain-inactive--vi-boot-order.xml")]
    [InlineData("virt-clone-auto", "server-out/domain-inactive--virsh-undefine-nvram-all.xml")]
    [InlineData("virt-clone", "server-out/domain-inactive--virt-clone-auto-2.xml")]
    public void A_definition_reads_as_libvirt_would_have_it(string client, string server)
    {
        Assert.Equal(Fixture.Read(server).TrimEnd(), Inactive(FillFile($"client-in/domain--{client}.xml")).TrimEnd());
    }

    /// <summary>Of these only the running domain was recorded: what its start added is taken out of it first.</summary>
    [Theory]
    [InlineData("vi-boot-order", "vi-boot-order-5")]
    [InlineData("vi-cdrom", "vi-boot-order-4")]
    [InlineData("vi-pxe", "vi-boot-order-2")]
    [InlineData("vi-livecd", "vi-boot-order-3")]
    [InlineData("vi-location", "vi-boot-order")]
    [InlineData("vi-cloudinit", "vi-cloudinit-3")]
    [InlineData("vi-uefi", "vi-cloudinit-2")]
    public void A_domain_that_runs_was_defined_so(string client, string server)
    {
        DomainDefinition ours = FillFile($"client-in/domain--{client}.xml");
        DomainDefinition live = DomainXml.Read(Fixture.Read($"server-out/domain-live--{server}.xml"));
        DomainDefinition defined = live with
        {
            Cpu = ours.Cpu, // At the start it is expanded to what the guest sees.
            Os = live.Os with { Firmware = ours.Os.Firmware, Loader = null, Nvram = null }, // At the start firmware is found for 'efi', and its SMM.
            Features = live.Features! with { Smm = null },
            Devices = [.. live.Devices.Select(WithoutHostsAddress)],
            Kept = [.. live.Kept.Where(static kept => !kept.StartsWith("<seclabel") && !kept.StartsWith("<resource"))],
        };
        Assert.Equal(Inactive(defined), Inactive(ours));
    }

    private static DomainDevice WithoutHostsAddress(DomainDevice device) =>
        device is GraphicsDevice graphics ? graphics with { Listens = [.. graphics.Listens.Select(static listen => listen with { IsHostDefault = true })] } : device;

    /// <summary>libvirt's default SCSI controller is an LSI 53C895A, which Hutch has none of: where none is said it is virtio.</summary>
    [Fact]
    public void A_scsi_controller_is_as_its_client_said()
    {
        DomainDefinition live = DomainXml.Read(Fixture.Read("server-out/domain-live--vi-cloudinit.xml"));
        DomainDefinition ours = FillFile("client-in/domain--vi-scsi.xml");
        Assert.Equal(live.Devices.Select(static device => device.Address), ours.Devices.Select(static device => device.Address));
        Assert.Equal("virtio-scsi", FillDevices("pc", "<disk type='file'><source file='/a'/><target dev='sda'/></disk>").Devices.OfType<ControllerDevice>().Single(static one => one.Type == "scsi").Model);
    }

    [Theory]
    [MemberData(nameof(All))]
    public void Filling_in_again_changes_nothing(string name)
    {
        DomainDefinition once = FillFile(name);
        Assert.Equal(Inactive(once), Inactive(Fill(once)));
        Assert.True(DomainJson.AreSame(once, Fill(once)));
        Assert.Equal(Inactive(once), Inactive(Fill(DomainXml.Read(Inactive(once)))));
    }

    [Theory]
    [InlineData("canonical/domain-q35-live.xml")]
    [InlineData("server-out/domain-live--vi-boot-order-4.xml")]
    [InlineData("server-out/domain-live--vi-boot-order-5.xml")]
    [InlineData("server-out/domain-live--vi-cloudinit.xml")]
    [InlineData("server-out/domain-live--vi-cloudinit-2.xml")]
    [InlineData("server-out/domain-live--virsh-attach-interface.xml")]
    public void Aliases_are_libvirts(string name)
    {
        DomainDefinition live = DomainXml.Read(Fixture.Read(name));
        DomainDefinition ours = LiveAliases.Assign(live with { Devices = [.. live.Devices.Select(static device => device with { Alias = null })] });
        Assert.Equal(live.Devices.Select(static device => device.Alias), ours.Devices.Select(static device => device.Alias));
    }

    [Fact]
    public void What_is_added_leaves_all_others_where_they_are()
    {
        DomainDefinition before = FillFile("client-in/domain--vi-kernelboot.xml");
        DomainDefinition after = DomainDefaults.Add(before, DomainXml.ReadDevice(Fixture.Read("client-in/device--virsh-attach-disk.xml")), Source());
        Assert.Equal(before.Devices, after.Devices.Where(static device => device is not DiskDevice { Target: "vdb" }));
        Assert.Equal(new PciAddress(0, 7, 0, 0), after.Devices.OfType<DiskDevice>().Single(static disk => disk.Target == "vdb").Address);
    }

    [Fact]
    public void Ports_and_a_bridge_are_added_where_devices_need_them()
    {
        DomainDefinition domain = FillDevices("q35", "<interface type='user'><model type='virtio'/></interface><interface type='user'><model type='e1000'/></interface>");
        List<ControllerDevice> pci = [.. domain.Devices.OfType<ControllerDevice>().Where(static one => one.Type == "pci")];
        Assert.Equal(["pcie-root", "pcie-root-port", "pcie-root-port", "pcie-to-pci-bridge", "pcie-root-port", "pcie-root-port"], pci.Select(static one => one.Model));
        Assert.Equal([0, 1, 2, 3, 4, 5], pci.Select(static one => one.Index));
        Assert.Equal([new PciAddress(0, 1, 0, 0), new PciAddress(0, 3, 1, 0)], domain.Devices.OfType<InterfaceDevice>().Select(static card => card.Address));
    }

    [Theory]
    [InlineData("pc", "<disk type='file'><target dev='vda'/></disk><disk type='file'><target dev='vda'/></disk>", "target 'vda' duplicated")]
    [InlineData("pc", "<rng model='virtio'><backend model='random'/><address type='pci' slot='5'/></rng><memballoon model='virtio'><address type='pci' slot='5'/></memballoon>", "Attempted double use of PCI Address 0000:00:05.0")]
    [InlineData("pc", "<rng model='virtio'><backend model='random'/><address type='pci' bus='7' slot='5'/></rng>", "no PCI controller with index 7")]
    [InlineData("pc", "<disk type='file'><target dev='hda'/></disk><disk type='file'><target dev='hdb'/><address type='drive' unit='0'/></disk>", "duplicate drive address")]
    [InlineData("pc", "<input type='tablet' bus='usb'><address type='usb' bus='0' port='1'/></input><input type='mouse' bus='usb'><address type='usb' bus='0' port='1'/></input>", "Duplicate USB address")]
    [InlineData("pc", "<channel type='unix'><target type='virtio' name='a'/></channel><channel type='unix'><target type='virtio' name='a'/></channel>", "two channels")]
    [InlineData("pc", "<disk type='file'><target dev='sda' bus='scsi'/><address type='drive' controller='4000000000'/></disk>", "at most 64")]
    [InlineData("q35", "<disk type='file'><target dev='hda' bus='ide'/></disk>", "IDE controllers are unsupported")]
    [InlineData("pc", "<disk type='file'><target dev='hda'/></disk><rng model='virtio'><backend model='random'/><address type='pci' slot='1' function='1'/></rng>", "the primary IDE controller must have it")]
    [InlineData("pc", "<controller type='pci' model='pcie-root'/>", "must be model='pci-root'")]
    [InlineData("pc", "<controller type='usb' model='none'/><input type='tablet' bus='usb'/>", "USB is disabled")]
    public void What_cannot_be_is_refused_by_name(string machine, string devices, string part)
    {
        Assert.Contains(part, Assert.Throws<ManagementException>(() => FillDevices(machine, devices)).Message);
    }

    [Fact]
    public void Other_architectures_are_refused() =>
        Assert.Equal(FailureKind.Unsupported, Assert.Throws<ManagementException>(() => FillFile(OtherArchitecture)).Kind);
}
