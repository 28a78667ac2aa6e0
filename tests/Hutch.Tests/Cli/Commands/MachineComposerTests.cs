using System;
using System.IO;
using System.Linq;
using Hutch.Cli;
using Hutch.Cli.Commands;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Cli.Commands;

public sealed class MachineComposerTests
{
    private static readonly KernelBoot Tiny = new("/cache/vmlinuz", "/cache/initrd", "console=ttyS0");

    private static MachineDefinition Compose(RunRequest request) => new MachineComposer(16UL << 30, _ => Tiny).Compose(request);

    [Fact]
    public void Nothing_said_gives_the_tiny_guest_with_a_console_and_entropy()
    {
        MachineDefinition machine = Compose(new RunRequest());
        Assert.Equal(Tiny, machine.Boot);
        Assert.Equal(512UL << 20, machine.MemoryBytes);
        Assert.Equal(1, machine.Cpus.VcpuCount);
        Assert.Equal([typeof(PlatformConfig), typeof(SerialConfig), typeof(VirtioRngConfig)], machine.Devices.Select(device => device.GetType()));
    }

    [Fact]
    public void A_machine_has_the_network_that_its_host_can_give_unless_it_says_another()
    {
        MachineComposer composer = new(16UL << 30, _ => Tiny, () => "user");
        Assert.Equal(NetBackendKind.User, Assert.Single(composer.Compose(new RunRequest()).Devices.OfType<VirtioNetConfig>()).Backend.Kind);
        Assert.Empty(composer.Compose(new RunRequest { Nets = ["none"] }).Devices.OfType<VirtioNetConfig>());
        VirtioNetConfig[] cards = [.. composer.Compose(new RunRequest { Nets = ["user", "tap"], Name = "web" }).Devices.OfType<VirtioNetConfig>()];
        Assert.Equal(["nic0", "nic1"], cards.Select(card => card.Id));
        Assert.NotEqual(cards[0].Mac, cards[1].Mac);
        Assert.Throws<UserException>(() => composer.Compose(new RunRequest { Nets = ["user", "none"] }));
        Assert.Throws<UserException>(() => composer.Compose(new RunRequest { Nets = ["user,mac=52:54:00:00:00:01", "tap,mac=52:54:00:00:00:01"] }));
    }

    [Fact]
    public void Oem_strings_are_passed_on_and_bad_ones_refused()
    {
        Assert.Equal(["a=b,c", "d"], Compose(new RunRequest { Smbios = ["type=11,value=a=b,,c", "type=11,value=d"] }).OemStrings.ToArray());
        foreach (string wrong in (string[])["type=1,value=x", "value=x", "type=11", "type=11,value=", "type=11,value=\u00e9", $"type=11,value={new string('x', 33 << 10)}"])
            Assert.Equal(ExitStatus.Usage, Assert.Throws<UserException>(() => Compose(new RunRequest { Smbios = [wrong] })).Status);
    }

    [Fact]
    public void An_image_with_a_kernel_is_the_first_disk()
    {
        string file = Path.GetTempFileName();
        MachineDefinition machine = Compose(new RunRequest { Image = file, Kernel = file, Disks = ["/dev/null,readonly"] });
        File.Delete(file);
        Assert.Equal([file, "/dev/null"], machine.Devices.OfType<VirtioBlockConfig>().Select(disk => disk.Disk.Path));
        Assert.Equal([1, 1], machine.Devices.OfType<VirtioBlockConfig>().Select(disk => disk.Queues));
        Assert.Equal(["disk0", "disk1"], machine.Devices.OfType<VirtioBlockConfig>().Select(disk => disk.Id));
    }

    [Fact]
    public void Nodes_of_the_guest_are_numbered_as_they_are_written()
    {
        MachineDefinition machine = Compose(new RunRequest { Numa = ["node,cpus=0-1,cpus=4,memory=256M,host=bind:0-1", "dist,src=0,dst=1,val=21", "node,memory=1G,merge=on,huge-pages=none", "hmat,initiator=0,target=1,latency=120", "hmat,target=0,initiator=0,latency=80,bandwidth=40000"] });
        Assert.Equal([new NumaNode("0-1,4", 256 << 20, "bind:0-1"), new NumaNode("", 1 << 30) { Mergeable = true, TransparentHugePages = false }], machine.NumaNodes.ToArray());
        Assert.Equal([new NumaDistance(0, 1, 21)], machine.NumaDistances.ToArray());
        Assert.Equal([new NumaAccess(0, 1, 120, 0), new NumaAccess(0, 0, 80, 40_000)], machine.NumaAccesses.ToArray());
    }

    [Theory]
    [InlineData("node,cpus=0", "a node has memory")]
    [InlineData("node,cpus=x,memory=1G", "'cpus=x' is not understood")]
    [InlineData("node,memory=1G,memory=1G", "'memory=1G' is not understood")]
    [InlineData("node,memory=1G,host=0", "'host=0' is not understood")]
    [InlineData("node,nodeid=1,memory=1G", "'nodeid=1' is not understood")]
    [InlineData("node,memory=1G,merge=yes", "'merge=yes' is not understood")]
    [InlineData("node,memory=1G,huge-pages=2M", "'huge-pages=2M' is not understood")]
    [InlineData("hmat,initiator=0,target=1", "write hmat,")]
    [InlineData("hmat,initiator=0,latency=5", "write hmat,")]
    [InlineData("hmat,initiator=0,target=1,latency=5,latency=6", "write hmat,")]
    [InlineData("hmat,initiator=0,target=1,latency=5ns", "write hmat,")]
    [InlineData("dist,src=0,dst=1", "write dist,")]
    [InlineData("dist,src=0,dst=1,val=256", "write dist,")]
    [InlineData("dist,src=0,src=1,val=25", "write dist,")]
    public void Nodes_that_are_not_understood_are_refused(string text, string cause) =>
        Assert.Contains(cause, Assert.Throws<UserException>(() => Compose(new RunRequest { Numa = [text] })).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(null, MachineKind.Q35, true)]
    [InlineData("q35", MachineKind.Q35, true)]
    [InlineData("pc,hpet=off", MachineKind.Pc, false)]
    [InlineData("q35,hpet=on", MachineKind.Q35, true)]
    public void A_machine_has_event_timers_unless_it_is_to_have_none(string? text, MachineKind kind, bool hpet) =>
        Assert.Equal(new PlatformConfig("platform", kind, hpet), Compose(new RunRequest { Machine = text }).Devices[0]);

    [Theory]
    [InlineData("isapc", "write q35 or pc")]
    [InlineData("pc,hpet=maybe", "hpet is on or off")]
    [InlineData("pc,hpet", "hpet is on or off")]
    [InlineData("q35,smm=on", "there is no option 'smm'")]
    public void A_machine_that_there_is_not_is_refused(string text, string cause) =>
        Assert.Contains(cause, Assert.Throws<UserException>(() => Compose(new RunRequest { Machine = text })).Message, StringComparison.Ordinal);

    [Fact]
    public void A_pc_has_an_ide_controller_with_its_discs_on_the_second_channel()
    {
        MachineDefinition machine = Compose(new RunRequest { Machine = "pc", Disks = ["/dev/null,bus=ide,serial=x", "/dev/null", "/dev/null,bus=sata", "/dev/null,bus=ide"], CdRoms = ["/dev/null"] });
        Assert.Equal(MachineKind.Pc, machine.Devices.OfType<PlatformConfig>().Single().Machine);
        AtaDriveConfig[] drives = [.. machine.Devices.OfType<IdeConfig>().Single().Drives];
        Assert.Equal(["disk0", "disk3", "cdrom0"], drives.Select(drive => drive.Id));
        Assert.Equal([null, null, 2], drives.Select(drive => drive.Place));
        Assert.Equal("x", drives[0].Serial);
        Assert.Equal("disk2", Assert.Single(machine.Devices.OfType<AhciConfig>().Single().Drives).Id);
        Assert.Empty(Compose(new RunRequest { Machine = "pc" }).Devices.OfType<IdeConfig>().Single().Drives);
        Assert.Empty(Compose(new RunRequest { Machine = "q35", CdRoms = ["/dev/null"], Kernel = "/dev/null" }).Devices.OfType<IdeConfig>());
        foreach ((string kind, string disk) in new[] { ("q35", "/dev/null,bus=ide"), ("isapc", "/dev/null"), ("pc", "/dev/null,bus=ide,queues=2") })
            Assert.Equal(ExitStatus.Usage, Assert.Throws<UserException>(() => Compose(new RunRequest { Machine = kind, Disks = [disk] })).Status);
        Assert.Contains("4 places and 5 drives", Assert.Throws<UserException>(() => Compose(new RunRequest { Machine = "pc", Disks = [.. Enumerable.Repeat("/dev/null,bus=ide", 5)] })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("q35")]
    [InlineData("pc")]
    public void Disks_of_the_scsi_bus_are_on_one_controller(string kind)
    {
        string[] disks = ["/dev/null,bus=scsi,serial=x,werror=stop,rerror=ignore", "/dev/null", "/dev/null,bus=scsi,bootindex=3"];
        VirtioScsiConfig scsi = Compose(new RunRequest { Machine = kind, Cpus = "2", Disks = disks }).Devices.OfType<VirtioScsiConfig>().Single();
        Assert.Equal(["disk0", "disk2"], scsi.Drives.Select(drive => drive.Id));
        Assert.Equal(("x", StorageErrorPolicy.Stop, StorageErrorPolicy.Ignore), (scsi.Drives[0].Serial, scsi.Drives[0].OnWriteError, scsi.Drives[0].OnReadError));
        Assert.Equal((3, 2), (scsi.Drives[1].BootIndex, scsi.Queues));
        foreach (string option in (string[])["queues=2", "bps=1M", "iops=5"])
            Assert.Contains("bus=scsi has no", Assert.Throws<UserException>(() => Compose(new RunRequest { Machine = kind, Disks = [$"/dev/null,bus=scsi,{option}"] })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("2", "/dev/null", 2)]
    [InlineData("16", "/dev/null", 4)]
    [InlineData("2", "/dev/null,queues=6", 6)]
    public void A_disk_has_a_queue_for_each_of_the_first_vcpus(string cpus, string disk, int queues) =>
        Assert.Equal(queues, Compose(new RunRequest { Cpus = cpus, Disks = [disk] }).Devices.OfType<VirtioBlockConfig>().Single().Queues);

    [Fact]
    public void A_linux_image_gets_a_console_unless_its_command_line_is_given()
    {
        string file = Path.GetTempFileName();
        File.WriteAllBytes(file, [.. new byte[0x202], .. "HdrS"u8]);
        string unsaid = Compose(new RunRequest { Kernel = file }).Boot!.CommandLine, said = Compose(new RunRequest { Kernel = file, Append = "" }).Boot!.CommandLine;
        string other = Compose(new RunRequest { Kernel = "/dev/null" }).Boot!.CommandLine;
        File.Delete(file);
        Assert.Equal(("console=ttyS0", "", ""), (unsaid, said, other));
    }

    [Fact]
    public void The_definition_survives_its_way_to_the_vm_process()
    {
        MachineDefinition machine = Compose(new RunRequest { Devices = ["debug-exit", "virtio-console,backend=unix:/x"], Cpu = "max,-avx2", Engine = "software", Json = true });
        byte[] text = MachineWriter.Write(machine);
        MachineDefinition read = MachineReader.Read(text);
        Assert.Equal(machine.Devices.ToArray(), read.Devices.ToArray());
        Assert.Equal(text, MachineWriter.Write(read));
    }

    [Fact]
    public void A_mistake_is_said_before_the_tiny_guest_is_made()
    {
        MachineComposer composer = new(16UL << 30, _ => throw new InvalidOperationException("made too early"));
        Assert.Throws<UserException>(() => composer.Compose(new RunRequest { Disks = ["/nonexistent"] }));
    }

    [Theory]
    [InlineData("debian:12", null, null, "there is no such file")]
    [InlineData(null, "/nonexistent", null, "--kernel '/nonexistent': there is no such file")]
    [InlineData(null, null, "/dev/null", "--initrd belongs to a kernel")]
    [InlineData(null, "/dev/null", "/", "this is a directory")]
    public void What_cannot_boot_is_refused_with_its_cause(string? image, string? kernel, string? initrd, string cause)
    {
        UserException error = Assert.Throws<UserException>(() => Compose(new RunRequest { Image = image, Kernel = kernel, Initrd = initrd }));
        Assert.Contains(cause, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ports_and_usb_devices_go_into_one_controller_each()
    {
        MachineDefinition machine = Compose(new RunRequest { Devices = ["virtserialport,name=a,path=/a", "usb-kbd", "virtio-serial,id=mine", "virtconsole,path=/b", "usb-tablet"] });
        VirtioSerialConfig serial = Assert.Single(machine.Devices.OfType<VirtioSerialConfig>());
        Assert.Equal(("mine", 2), (serial.Id, serial.Ports.Length));
        XhciConfig usb = Assert.Single(machine.Devices.OfType<XhciConfig>());
        Assert.Equal(("usb", 2), (usb.Id, usb.Devices.Length));
        Assert.Equal("serial", Assert.Single(Compose(new RunRequest { Devices = ["virtconsole,path=/b"] }).Devices.OfType<VirtioSerialConfig>()).Id);
        Assert.Contains("Two ports have the name 'a'", Assert.Throws<UserException>(() => Compose(new RunRequest { Devices = ["virtserialport,name=a,path=/a", "virtserialport,name=a,path=/b"] })).Message, StringComparison.Ordinal);
        Assert.Throws<UserException>(() => Compose(new RunRequest { Devices = [.. Enumerable.Range(0, 16).Select(static i => $"virtserialport,name=a{i},path=/a")] }));
    }

    [Fact]
    public void Usb_devices_go_into_the_controller_that_such_a_machine_has()
    {
        UhciConfig own = Assert.Single(Compose(new RunRequest { Machine = "pc", Devices = ["usb-kbd", "usb-tablet"] }).Devices.OfType<UhciConfig>());
        Assert.Equal(("usb", UhciModel.Piix3, 2), (own.Id, own.Model, own.Devices.Length));
        Assert.Equal("tablet0", Assert.Single(Assert.Single(Compose(new RunRequest { Machine = "pc", Display = "vnc=:0" }).Devices.OfType<UhciConfig>()).Devices).Id);
        UsbControllerConfig wanted = Assert.Single(Compose(new RunRequest { Machine = "pc", Devices = ["usb-kbd", "qemu-xhci", "usb-tablet", "usb-tablet"] }).Devices.OfType<UsbControllerConfig>());
        Assert.Equal((true, 3), (wanted is XhciConfig, wanted.Devices.Length));
        Assert.Equal(UhciModel.Ich9, Assert.Single(Compose(new RunRequest { Devices = ["ich9-usb-uhci1", "usb-kbd"] }).Devices.OfType<UhciConfig>()).Model);
        UsbControllerConfig both = Assert.Single(Compose(new RunRequest { Devices = ["ich9-usb-ehci1", "usb-kbd,usb_version=1", "usb-tablet"] }).Devices.OfType<EhciConfig>());
        Assert.Equal([true, false], both.Devices.Select(static device => device.IsFullSpeed));
        Assert.Throws<UserException>(() => Compose(new RunRequest { Devices = ["usb-kbd,usb_version=3"] }));
        Assert.Contains("qemu-xhci", Assert.Throws<UserException>(() => Compose(new RunRequest { Machine = "pc", Devices = ["usb-kbd", "usb-tablet", "usb-tablet"] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Standard_input_and_names_have_one_owner()
    {
        Assert.Throws<UserException>(() => Compose(new RunRequest { Devices = ["virtio-console,backend=stdio"] }));
        Assert.Throws<UserException>(() => Compose(new RunRequest { Devices = ["virtio-rng,id=a", "test-dev,id=a"] }));
        Compose(new RunRequest { Serial = "none", Devices = ["virtio-console,backend=stdio"] });
    }
}
