using System;
using System.Collections.Generic;
using Hutch.Block.Graph;
using Hutch.Core.Bus;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;
using Hutch.Devices.Tpm;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;
using Hutch.Host.Time;
using Hutch.Host.Vfio;
using Hutch.Model.Machine;
using Hutch.Net;

namespace Hutch.Devices;

/// <summary>What a device may use of the machine around it. One per machine; the builder fills it.</summary>
public sealed class MachineServices
{
    /// <summary>Guest RAM.</summary>
    public required GuestMemory Memory { get; init; }

    /// <summary>All vCPUs that the machine can have.</summary>
    public CpuTopology Cpus { get; init; } = new(1, 1, 1);

    /// <summary>Those of them that are not plugged in when it is built: a bit for each.</summary>
    public ulong AbsentVcpus { get; init; }

    /// <summary>I/O port space.</summary>
    public required AddressBus Ports { get; init; }

    /// <summary>Physical address space outside RAM.</summary>
    public required AddressBus Mmio { get; init; }

    /// <summary>The engine's local APICs: MSIs and the PIC's output.</summary>
    public required IInterruptRouter Interrupts { get; init; }

    /// <summary>The engine's doorbells, if it has any.</summary>
    public IDoorbellRegistry? Doorbells { get; init; }

    /// <summary>Timers and the clock.</summary>
    public required ITimerService Timers { get; init; }

    /// <summary>The guest's TSC and the wall clock at one moment, as the engine reads them; null where it cannot. Any thread.</summary>
    public Func<ClockPair?> ReadClocks { get; init; } = static () => null;

    /// <summary>To be called when the guest's clocks begin or go on, before its vCPUs do. Devices add themselves.</summary>
    public Action? ClocksWentOn { get; set; }

    /// <summary>Power-off, reset, exit.</summary>
    public required IPlatformEvents Platform { get; init; }

    /// <summary>Opens a disk's block graph. Throws <see cref="ConfigException"/>.</summary>
    public required Func<DiskConfig, BlockNode> OpenDisk { get; init; }

    /// <summary>Opens a character back end. Throws <see cref="ConfigException"/>.</summary>
    public required Func<CharacterBackend, ICharacterChannel> OpenChannel { get; init; }

    /// <summary>UNIX sockets of the host.</summary>
    public ILocalStreams Streams { get; init; } = new LocalStreams();

    /// <summary>Devices of the host that become the machine's.</summary>
    public VfioHost HostDevices { get; init; } = new(new DeviceCalls());

    /// <summary>Opens the TPM behind a device. Throws <see cref="ConfigException"/>.</summary>
    public Func<TpmCrbConfig, ITpm> OpenTpm { get; init; } = Swtpm.Open;

    /// <summary>Opens the back end of a network card. Throws <see cref="ConfigException"/>.</summary>
    public Func<NetworkRequest, INetBackend> OpenNetwork { get; init; } = static request => throw new ConfigException($"The network card {request.Card} has no networks here.");

    /// <summary>The 24 global system interrupts (PIC and IOAPIC together). Set by the platform device, which is created first.</summary>
    public IInterruptSink Gsi { get; set; } = new NoSink();

    /// <summary>A wire of its own to a global system interrupt, for devices that may share it.</summary>
    internal InterruptLine ConnectGsi(int gsi) => Gsi is GsiController controller ? controller.Connect(gsi) : new InterruptLine(Gsi, gsi);

    /// <summary>The interrupt controllers as the vCPUs see them. Set by the platform device.</summary>
    public IInterruptControllers? Controllers { get; set; }

    /// <summary>Presses the machine's power button. Set by the platform device. Any thread.</summary>
    public Action? PowerButton { get; set; }

    /// <summary>The machine's disks. Their devices add them.</summary>
    public List<IDisk> Disks { get; } = [];

    /// <summary>Its drives for media that come and go. Their devices add them.</summary>
    public List<IMediumDrive> MediumDrives { get; } = [];

    /// <summary>The machine's network cards. Their devices add them.</summary>
    public List<INetworkCard> NetworkCards { get; } = [];

    /// <summary>Plugging of PCI devices while the guest runs. Set by the platform device.</summary>
    public IHotplug? Hotplug { get; set; }

    /// <summary>Plugging of vCPUs while the guest runs. Set by the platform device.</summary>
    public ICpuHotplug? CpuHotplug { get; set; }

    /// <summary>The machine's memory balloon. Its device sets it.</summary>
    public IBalloon? Balloon { get; set; }

    /// <summary>Memory that is plugged in while the guest runs. Its device sets it.</summary>
    public IPluggableMemory? PluggableMemory { get; set; }

    /// <summary>The machine's screens, first the one that firmware knows. Their devices add them.</summary>
    public List<IScreen> Screens { get; } = [];

    /// <summary>Keyboards, mice and tablets.</summary>
    public InputDevices Input { get; } = new();

    /// <summary>PCI segment 0, bus 0. Set by the platform device.</summary>
    public PciBus? Pci { get; set; }

    /// <summary>The machine's firmware; null: a kernel is loaded directly. Set by the firmware device.</summary>
    public IFirmware? Firmware { get; set; }

    /// <summary>The chipset, for its other parts. Set by the platform device.</summary>
    internal Chipset.Platform? Chipset { get; set; }

    /// <summary>What firmware may boot from, in no order. Their devices add them.</summary>
    internal List<Firmware.BootDevice> BootDevices { get; } = [];

    private sealed class NoSink : IInterruptSink
    {
        public void SetLine(int input, bool asserted) { }
    }
}

/// <summary>What a network card asks of its machine.</summary>
/// <param name="Card">The device's name.</param>
/// <param name="Mac">Its address, which no other card of the host's machines may have.</param>
/// <param name="Backend">Where its frames are to go.</param>
/// <param name="MtuBytes">The longest IP packet; 0: as the back end likes.</param>
/// <param name="Queues">Queues that it wants.</param>
public sealed record NetworkRequest(string Card, string Mac, NetBackendConfig Backend, int MtuBytes, int Queues);
