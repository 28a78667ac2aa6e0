using System;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Tests.Model.Machine;

public sealed class MachineReaderTests
{
    private static readonly DeviceConfig[] EveryDevice =
    [
        new PlatformConfig("platform"),
        new PlatformConfig("old", MachineKind.Pc),
        new PlatformConfig("timers", Hpet: true),
        new IdeConfig("ide", [new AtaDriveConfig("hda", new DiskConfig("/a")) { Place = 1 }, new AtaDriveConfig("hdc", new DiskConfig("/c", "raw", ReadOnly: true), IsCdRom: true), new AtaDriveConfig("hdd", null, IsCdRom: true)]),
        new FirmwareConfig("firmware", "/b") { VariablesPath = "/v", Menu = true, MenuMilliseconds = 3, Entries = [new FwCfgEntry("opt/a", "/f", null), new FwCfgEntry("opt/b", null, "text")] },
        new FirmwareConfig("plain", "/b"),
        new AhciConfig("sata", [new AtaDriveConfig("cd", new DiskConfig("/i", "raw", ReadOnly: true), IsCdRom: true, "s") { BootIndex = 2 }, new AtaDriveConfig("hd", new DiskConfig("/h")) { Place = 3 }]),
        new DebugConsoleConfig("debug", new CharacterBackend(CharacterBackendKind.File, "/l"), 0x403),
        new SerialConfig("com1", 1, new CharacterBackend(CharacterBackendKind.Stdio)),
        new SerialConfig("com2", 2, new CharacterBackend(CharacterBackendKind.File, "/tmp/a \"b\"\u00e9")),
        new VirtioBlockConfig("disk0", new DiskConfig("/d", "raw", ReadOnly: true)),
        new VirtioBlockConfig("disk1", new DiskConfig("/e")),
        new VirtioBlockConfig("disk2", new DiskConfig("/f", "qcow2")
        {
            Cache = DiskCache.Unsafe, Aio = DiskAio.IoUring, Discard = false, DetectZeroes = DetectZeroes.Unmap, NoBacking = true, Temporary = true, BytesPerSecond = 1, OperationsPerSecond = 2,
        }, Queues: 3, "serial") { OnReadError = StorageErrorPolicy.Stop, OnWriteError = StorageErrorPolicy.Ignore, BootIndex = 1 },
        new VirtioScsiConfig("scsi", [new ScsiDriveConfig("sda", new DiskConfig("/g", "qcow2"), "serial") { BootIndex = 4, OnReadError = StorageErrorPolicy.Ignore, OnWriteError = StorageErrorPolicy.Stop }, new ScsiDriveConfig("sdb", new DiskConfig("/h"))], Queues: 2),
        new VirtioConsoleConfig("console", new CharacterBackend(CharacterBackendKind.Unix, "/s")),
        new VirtioConsoleConfig("quiet", new CharacterBackend(CharacterBackendKind.None)),
        new VirtioConsoleConfig("terminal", new CharacterBackend(CharacterBackendKind.Pty, "/t")),
        new VirtioSerialConfig("serial", [new SerialPortConfig("agent", "/a", "org.qemu.guest_agent.0"), new SerialPortConfig("con", "/c", IsConsole: true)]),
        new VirtioInputConfig("keys", VirtioInputKind.Keyboard), new VirtioInputConfig("mouse", VirtioInputKind.Mouse), new VirtioInputConfig("tablet", VirtioInputKind.Tablet),
        new VirtioVsockConfig("vsock", 4_000_000_000, "/v"),
        new VhostUserFsConfig("files", "/f", "tag \u00e9", 1024),
        new VhostUserBlockConfig("served", "/b"),
        new VfioPciConfig("host0", "0000:01:00.0"), new VfioPciConfig("host1", "0001:02:1f.7", "/rom"), new VfioPciConfig("host2", "0000:01:00.1", HasRom: false),
        new VirtioGpuConfig("gpu0"), new VirtioGpuConfig("gpu1", 3840, 64),
        new VirtioRngConfig("rng") { PciSlot = 30 },
        new VirtioBalloonConfig("balloon", DeflateOnOom: false),
        new VirtioBalloonConfig("balloon1", FreePageReporting: false),
        new VirtioMemConfig("memory0"),
        new VirtioNetConfig("nic0", "52:54:00:01:02:03", new NetBackendConfig(NetBackendKind.User)),
        new VirtioNetConfig("nic1", "52:54:00:01:02:04", new NetBackendConfig(NetBackendKind.Bridge)
        {
            Network = "10.9.0.0/16", Host = "a", Dns = "b", DhcpStart = "c", Hostname = "d", Tftp = "/e", BootFile = "f", Restrict = true, NoIPv6 = true,
            Forwards = [new PortForward(true, "1.2.3.4", 1, "5.6.7.8", 2), new PortForward(false, "0.0.0.0", 0, "0.0.0.0", 3)], Interface = "br0", Path = "/g", Capture = "/h",
            Inbound = new NetRate(1, 2), Outbound = new NetRate(3),
        }) { Queues = 2, MtuBytes = 9000, LinkDown = true },
        new E1000Config("nic2", "52:54:00:01:02:05", new NetBackendConfig(NetBackendKind.Tap) { Interface = "tap0" }) { LinkDown = true, BootIndex = 3, RomPath = "/rom" },
        new Rtl8139Config("nic3", "52:54:00:01:02:06", new NetBackendConfig(NetBackendKind.None)),
        new WatchdogConfig("dog0"), new WatchdogConfig("dog1", AlarmAction.PowerOff), new PvpanicConfig("panic0"), new PvpanicConfig("panic1", AlarmAction.None),
        new VmGenIdConfig("generation0"), new VmGenIdConfig("generation1", new Guid("324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87")),
        new VmClockConfig("clock0"),
        new TpmCrbConfig("tpm0", "/t"),
        new DebugExitConfig("exit", 0x501, 1),
        new TestDeviceConfig("test"),
        new VgaConfig("vga0", 32, "/rom"),
        new VgaConfig("vga1"),
        new Ps2InputConfig("ps2"),
        new XhciConfig("usb", [new UsbDeviceConfig("tablet0", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd0", UsbDeviceKind.Keyboard)]),
        new UhciConfig("uhci0", UhciModel.Piix3, [new UsbDeviceConfig("tablet1", UsbDeviceKind.Tablet)]), new UhciConfig("uhci1", UhciModel.Ich9, []),
        new EhciConfig("ehci", [new UsbDeviceConfig("tablet2", UsbDeviceKind.Tablet) { IsFullSpeed = true }]),
    ];

    private static MachineDefinition Full(EngineChoice engine) => new()
    {
        Name = "name",
        MemoryBytes = ulong.MaxValue - 4095,
        Cpus = new CpuTopology(1, 2, 3),
        PluggableBytes = engine == EngineChoice.Kvm ? 1UL << 40 : 0,
        AbsentVcpus = engine == EngineChoice.Kvm ? 0b110000UL : 0,
        NumaNodes = engine == EngineChoice.Auto ? [] : [new NumaNode("0-2,4", 1 << 30, "bind:0"), new NumaNode("", 1 << 30) { Mergeable = true, TransparentHugePages = false }],
        NumaDistances = engine == EngineChoice.Auto ? [] : [new NumaDistance(0, 1, 30)],
        NumaAccesses = engine == EngineChoice.Auto ? [] : [new NumaAccess(0, 1, 120, 0), new NumaAccess(0, 0, 80, 40_000)],
        Cpu = new CpuModel("max", ["avx2", "sha_ni"], ["pcid"]),
        Engine = engine,
        Boot = engine == EngineChoice.Kvm ? null : new KernelBoot("/k", engine == EngineChoice.Auto ? null : "/i", "a=b \"c\""),
        Devices = [.. EveryDevice],
        OemStrings = engine == EngineChoice.Kvm ? [] : ["a=b", "c:d"],
        Placement = engine == EngineChoice.Auto ? Placement.Anywhere : new Placement
        {
            VcpuPins = [new VcpuPin(0, "0-3,8"), new VcpuPin(1, "2")], PinAuto = true, EmulatorCpus = "1", Scheduler = "fifo:1", ControlGroup = "a/b", HugePageBytes = 1 << 30,
            TransparentHugePages = true, Mergeable = true, Locked = true, Prealloc = true, Numa = "bind:0",
        },
        Vnc = engine switch { EngineChoice.Auto => null, EngineChoice.Kvm => new VncConfig("127.0.0.1", 5901, null, null, "/tls", 5701), _ => new VncConfig(null, 0, "/s", "/p") },
        NoReboot = engine == EngineChoice.Kvm,
        Json = engine != EngineChoice.Kvm,
    };

    private static string Json(MachineDefinition definition) => JsonSerializer.Serialize(definition, MachineJson.Default.MachineDefinition);

    [Theory]
    [InlineData(EngineChoice.Auto)]
    [InlineData(EngineChoice.Kvm)]
    [InlineData(EngineChoice.Software)]
    public void The_reader_reads_what_the_serializer_writes(EngineChoice engine)
    {
        string json = Json(Full(engine));
        Assert.Equal(json, Json(MachineReader.Read(Encoding.UTF8.GetBytes(json))));
    }

    [Theory]
    [InlineData(EngineChoice.Auto)]
    [InlineData(EngineChoice.Kvm)]
    [InlineData(EngineChoice.Software)]
    public void The_reader_reads_what_the_writer_writes(EngineChoice engine)
    {
        MachineDefinition definition = Full(engine);
        Assert.Equal(Json(definition), Json(MachineReader.Read(MachineWriter.Write(definition))));
    }

    [Fact]
    public void Every_kind_of_device_is_in_the_test_above()
    {
        Type[] known = [.. typeof(DeviceConfig).GetCustomAttributes(typeof(JsonDerivedTypeAttribute), false).Cast<JsonDerivedTypeAttribute>().Select(static each => each.DerivedType)];
        Assert.Empty(known.Except(EveryDevice.Select(static device => device.GetType())));
    }

    [Fact]
    public void Damaged_definitions_are_json_errors_and_nothing_else()
    {
        byte[] json = Encoding.UTF8.GetBytes(Json(Full(EngineChoice.Software)));
        Random random = new(3);
        for (int round = 0; round < 5000; round++)
        {
            byte[] damaged = (byte[])json.Clone();
            damaged[random.Next(damaged.Length)] = (byte)random.Next(32, 127);
            if (random.Next(4) == 0) damaged = damaged[..random.Next(damaged.Length)];
            try
            {
                _ = MachineReader.Read(damaged);
            }
            catch (JsonException error)
            {
                Assert.NotEmpty(error.Message);
            }
        }
    }
}
