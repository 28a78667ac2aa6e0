using System;
using System.Collections.Generic;
using Hutch.Block.Graph;
using Hutch.Core.Bus;
using Hutch.Core.Engine;
using Hutch.Core.Interrupts;
using Hutch.Core.Memory;
using Hutch.Devices.Pci;
using Hutch.Host.Events;
using Hutch.Host.Time;
using Hutch.Model.Machine;

namespace Hutch.Devices;

/// <summary>What a device may use of the machine around it. One per machine; the builder fills it.</summary>
public sealed class MachineServices
{
    /// <summary>Guest RAM.</summary>
    public required GuestMemory Memory { get; init; }

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

    /// <summary>Power-off, reset, exit.</summary>
    public required IPlatformEvents Platform { get; init; }

    /// <summary>Opens a disk's block graph. Throws <see cref="ConfigException"/>.</summary>
    public required Func<DiskConfig, BlockNode> OpenDisk { get; init; }

    /// <summary>Opens a character back end. Throws <see cref="ConfigException"/>.</summary>
    public required Func<CharacterBackend, ICharacterChannel> OpenChannel { get; init; }

    /// <summary>The 24 global system interrupts (PIC and IOAPIC together). Set by the platform device, which is created first.</summary>
    public IInterruptSink Gsi { get; set; } = new NoSink();

    /// <summary>The interrupt controllers as the vCPUs see them. Set by the platform device.</summary>
    public IInterruptControllers? Controllers { get; set; }

    /// <summary>Presses the machine's power button. Set by the platform device. Any thread.</summary>
    public Action? PowerButton { get; set; }

    /// <summary>The machine's disks. Their devices add them.</summary>
    public List<IDisk> Disks { get; } = [];

    /// <summary>PCI segment 0, bus 0. Set by the platform device.</summary>
    public PciBus? Pci { get; set; }

    private sealed class NoSink : IInterruptSink
    {
        public void SetLine(int input, bool asserted) { }
    }
}
