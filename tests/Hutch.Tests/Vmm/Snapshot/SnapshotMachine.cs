using System;
using System.IO;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.State;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Tpm;
using Hutch.Tests.Vmm.Boot;
using Hutch.Tests.Vmm.Run;
using Hutch.Vmm.Build;
using Hutch.Vmm.Run;
using Hutch.Vmm.Snapshot;

namespace Hutch.Tests.Vmm.Snapshot;

/// <summary>A machine with every device there is, on an engine that executes nothing: a test is its guest. Stopped but for the moments that a test asks for.</summary>
internal sealed class SnapshotMachine : IDisposable
{
    private readonly TimerQueue _queue = new(new MonotonicClock());
    private readonly BackEnds _backEnds = new(static () => { });
    private readonly FakeHypervisor _hypervisor;
    private readonly ManualResetEventSlim _done = new();
    private Action<IVcpuExits>? _guest;

    internal SnapshotMachine(MachineDefinition definition, StateFileReader? state = null)
    {
        Definition = definition;
        _hypervisor = new FakeHypervisor(Run);
        Machine = new MachineBuilder(_hypervisor, new PausableTimers(_queue), _backEnds, new Mailbox()).Build(definition, state);
    }

    internal MachineDefinition Definition { get; }

    internal Machine Machine { get; }

    internal FakeMachine Engine => _hypervisor.Machine!;

    /// <summary>Every device, on files in <paramref name="folder"/>.</summary>
    internal static MachineDefinition Everything(string folder)
    {
        string kernel = Path.Combine(folder, "kernel"), disk = Path.Combine(folder, "disk"), scsi = Path.Combine(folder, "scsi");
        if (!File.Exists(kernel)) File.WriteAllBytes(kernel, Images.BzImage());
        if (!File.Exists(disk)) File.WriteAllBytes(disk, new byte[1 << 20]);
        if (!File.Exists(scsi)) File.WriteAllBytes(scsi, new byte[1 << 20]);
        CharacterBackend nothing = new(CharacterBackendKind.None);
        return new MachineDefinition
        {
            Name = "everything",
            MemoryBytes = 32 << 20,
            Cpus = new CpuTopology(1, 2, 1),
            Cpu = CpuModel.Max,
            Engine = EngineChoice.Software,
            Boot = new KernelBoot(kernel, null, "quiet"),
            Devices =
            [
                new PlatformConfig("platform", Hpet: true), new SerialConfig("com1", 1, nothing), new SerialConfig("com3", 3, nothing),
                new VirtioBlockConfig("disk0", new DiskConfig(disk), Queues: 2), new VirtioConsoleConfig("console0", nothing), new VirtioRngConfig("rng0"),
                new VirtioNetConfig("nic0", "52:54:00:01:02:03", new NetBackendConfig(NetBackendKind.None)) { Queues = 2 },
                new E1000Config("nic1", "52:54:00:01:02:04", new NetBackendConfig(NetBackendKind.None)),
                new Rtl8139Config("nic2", "52:54:00:01:02:05", new NetBackendConfig(NetBackendKind.None)),
                new WatchdogConfig("dog"), new PvpanicConfig("panic"), new VmGenIdConfig("generation"), new VmClockConfig("clock"),
                new VirtioScsiConfig("scsi0", [new ScsiDriveConfig("sd0", new DiskConfig(scsi)), new ScsiDriveConfig("sd1", new DiskConfig(kernel, "raw", ReadOnly: true))], Queues: 2),
                new DebugExitConfig("exit"), new TestDeviceConfig("test"),
            ],
        };
    }

    /// <summary>The slot of the first of two emulated cards in <see cref="Everything"/>.</summary>
    internal const int FirstCardSlot = 5;

    /// <summary>A machine that boots from firmware, with what only such a machine has.</summary>
    internal static MachineDefinition WithFirmware(string folder)
    {
        MachineDefinition plain = Everything(folder);
        string image = Path.Combine(folder, "image"), flash = Path.Combine(folder, "flash"), sata = Path.Combine(folder, "sata");
        if (!File.Exists(image)) File.WriteAllBytes(image, new byte[128 << 10]);
        if (!File.Exists(flash)) File.WriteAllBytes(flash, new byte[16 << 10]);
        if (!File.Exists(sata)) File.WriteAllBytes(sata, new byte[1 << 20]);
        return plain with
        {
            Boot = null,
            PluggableBytes = 128 << 20,
            Devices =
            [
                new PlatformConfig("platform"), new FirmwareConfig("firmware", image) { VariablesPath = flash }, new DebugConsoleConfig("debug", new CharacterBackend(CharacterBackendKind.None)),
                new VirtioMemConfig("memory0"), new VirtioSerialConfig("serial0", []), new VirtioInputConfig("keys0", VirtioInputKind.Keyboard), new VirtioInputConfig("mouse0", VirtioInputKind.Mouse), new VirtioInputConfig("pen0", VirtioInputKind.Tablet), new VirtioVsockConfig("vsock0", 3, Path.Combine(folder, "vsock")), new Ps2InputConfig("ps2"), new VgaConfig("vga0", MemoryMiB: 1), new VirtioGpuConfig("gpu0"), new XhciConfig("usb", [new UsbDeviceConfig("tablet0", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd0", UsbDeviceKind.Keyboard)]),
                new AhciConfig("sata", [new AtaDriveConfig("sata0", new DiskConfig(sata)), new AtaDriveConfig("cdrom0", new DiskConfig(image, "raw", ReadOnly: true), IsCdRom: true)]),
                new EhciConfig("ehci", [new UsbDeviceConfig("tablet2", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd2", UsbDeviceKind.Keyboard) { IsFullSpeed = true }]),
            ],
        };
    }

    /// <summary>A pc that boots from firmware, with its IDE and USB controllers.</summary>
    internal static MachineDefinition Pc(string folder)
    {
        MachineDefinition plain = WithFirmware(folder);
        return plain with
        {
            Devices =
            [
                new PlatformConfig("platform", MachineKind.Pc), plain.Devices[1], new SerialConfig("com1", 1, new CharacterBackend(CharacterBackendKind.None)),
                new IdeConfig("ide", [new AtaDriveConfig("ide0", new DiskConfig(Path.Combine(folder, "sata"))), new AtaDriveConfig("ide1", new DiskConfig(Path.Combine(folder, "disk"))),
                    new AtaDriveConfig("cdrom0", new DiskConfig(Path.Combine(folder, "image"), "raw", ReadOnly: true), IsCdRom: true)]),
                new UhciConfig("uhci", UhciModel.Piix3, [new UsbDeviceConfig("tablet1", UsbDeviceKind.Tablet), new UsbDeviceConfig("kbd1", UsbDeviceKind.Keyboard)]),
            ],
        };
    }

    /// <summary>A machine with a TPM, whose emulator is there for one machine.</summary>
    internal static MachineDefinition WithTpm(string folder)
    {
        string path = Path.Combine(folder, "tpm");
        _ = new FakeSwtpm(path);
        return Everything(folder) with { Devices = [new PlatformConfig("platform"), new TpmCrbConfig("tpm0", path)] };
    }

    /// <summary>Lets the boot processor do something, then stops the machine again.</summary>
    internal void Execute(Action<IVcpuExits> guest)
    {
        _guest = guest;
        _done.Reset();
        Machine.Start();
        _done.Wait();
        Machine.Stop();
    }

    /// <summary>The sections as they are in a file.</summary>
    internal StateSections Save() => Machine.Save(MachineWriter.Write(Definition));

    /// <summary>Writes a state file.</summary>
    internal void Save(string path)
    {
        if (!new StateFileWriter(Save(), Machine.Memory).Write(path, static _ => true)) throw new StateException("Cancelled.");
    }

    public void Dispose()
    {
        Machine.Dispose();
        _backEnds.Dispose();
        _queue.Dispose();
        _done.Dispose();
    }

    private VcpuStop Run(FakeVcpu vcpu, IVcpuExits exits)
    {
        _guest?.Invoke(exits);
        _guest = null;
        _done.Set();
        return vcpu.WaitForStop();
    }
}
