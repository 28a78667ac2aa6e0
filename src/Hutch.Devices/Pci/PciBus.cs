using System;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Model.Machine;

namespace Hutch.Devices.Pci;

/// <summary>
/// PCI segment 0, bus 0: both configuration mechanisms, the host bridge, the functions, resource assignment and INTx routing. A machine without firmware has its
/// resources assigned here; otherwise firmware does that, as on a PC.
/// No function and no other bus reads as all ones. Any thread; configuration accesses are serialised.
/// </summary>
public sealed class PciBus
{
    private const int SlotCount = 32, FunctionCount = 8;
    private const int FirstGsi = 16, RoutedGsis = 8;

    // The chipset's own slots (from 25 on) share PIRQA to PIRQD, whatever their number.
    private const int FirstChipsetSlot = 25;

    private readonly MachineServices _services;
    private readonly Lock _lock = new();
    private readonly Lock _interruptLock = new();
    private readonly PciFunction?[] _functions = new PciFunction?[SlotCount * FunctionCount];
    private readonly int[] _asserted = new int[RoutedGsis];        // how many functions drive a line: lines are shared, level is the OR
    private readonly bool[] _drives = new bool[SlotCount * FunctionCount];
    private readonly PciConfigPorts _ports;
    private readonly BusRegion _ecam;
    private readonly bool[] _chosen = new bool[SlotCount];         // slots that were given out here, and not by the chipset
    private (ulong Start, ulong Bytes) _high;

    /// <summary>
    /// Puts the bus into the machine: ports 0xcf8 to 0xcff, ECAM at <see cref="PciWindows.EcamStart"/> where the machine has it, the host bridge at 00:00.0.
    /// The caller sets <see cref="MachineServices.Pci"/>.
    /// </summary>
    public PciBus(MachineServices services, MachineKind machine = MachineKind.Q35)
    {
        ArgumentNullException.ThrowIfNull(services);
        _services = services;
        _ports = new PciConfigPorts(this);
        services.Ports.Map("pci configuration", PciConfigPorts.FirstPort, PciConfigPorts.PortCount, _ports);
        Machine = machine;
        _ecam = services.Mmio.Reserve("pci ecam", PciWindows.EcamBytes, new PciEcam(this));
        if (machine == MachineKind.Q35) MoveEcam(PciWindows.EcamStart);
        HostBridge = new PciHostBridge(machine);
        _ = Add(HostBridge);
    }

    /// <summary>
    /// The chipset's reset control register: byte accesses to port 0xcf9 arrive here as offset 0, because that byte lies inside
    /// CONFIG_ADDRESS. Null: reads ones. Set once by the platform device.
    /// </summary>
    public IBusDevice? ResetControl { get; set; }

    /// <summary>The machine, which has its chipset's slots and interrupts.</summary>
    public MachineKind Machine { get; }

    /// <summary>First address below 4 GiB where a BAR can be.</summary>
    internal ulong LowStart => PciWindows.LowStartOf(Machine, _services.Memory.LowBytes);

    /// <summary>Function 00:00.0.</summary>
    internal PciHostBridge HostBridge { get; }

    /// <summary>The BARs have their places from <see cref="AssignResources"/>, and a reset returns there.</summary>
    internal bool IsAssigned { get; private set; }

    /// <summary>Where the memory-mapped configuration space is; 0: nowhere.</summary>
    public ulong EcamStart => _ecam.IsMapped ? _ecam.Start : 0;

    internal AddressBus Ports => _services.Ports;

    internal AddressBus Mmio => _services.Mmio;

    /// <summary>The GSI of a device's interrupt pin; the _PRT of the DSDT says the same.</summary>
    /// <param name="slot">Device number, 0 to 31.</param>
    /// <param name="pin">0 to 3 for INTA to INTD.</param>
    /// <param name="machine">The machine: a PIIX3 has four lines, and the first of them for slot 1.</param>
    public static int GsiOf(int slot, int pin, MachineKind machine = MachineKind.Q35) =>
        FirstGsi + (machine == MachineKind.Pc ? (slot + pin - 1) & 3 : slot >= FirstChipsetSlot ? pin & 3 : (slot + pin) & (RoutedGsis - 1));

    /// <summary>Where the next function goes that is added; null: into the first free slot. Set by who makes a device, before.</summary>
    internal int? WantedSlot { get; set; }

    /// <summary>What the next function that is added has in its ROM BAR; null: nothing. Set by who makes a device, before.</summary>
    internal OptionRom? WantedRom { get; set; }

    /// <summary>
    /// Places a function in the wanted or the first free slot, as function 0. One that comes when the machine has its resources has none: the guest gives it some.
    /// Throws <see cref="ConfigException"/> where there is no room.
    /// </summary>
    internal int Add(PciFunction function)
    {
        lock (_lock)
        {
            int slot = WantedSlot ?? 0;
            while (WantedSlot is null && slot < SlotCount && _functions[slot * FunctionCount] is not null) slot++;
            if (slot >= SlotCount) throw new ConfigException($"{function.Name} does not fit: PCI bus 0 holds {SlotCount - 1} devices; remove one.");
            if (_functions[slot * FunctionCount] is PciFunction other) throw new ConfigException($"{function.Name} and {other.Name} both belong in PCI slot {slot}; move one.");
            if (WantedRom is { } rom) function.UseRom(rom);
            function.Attach(this, slot, 0);
            _functions[slot * FunctionCount] = function;
            _chosen[slot] = slot != 0;
            if (!IsAssigned) return slot;
            try
            {
                // Where it will be after a reset.
                PciResourceAllocator.Assign(_functions, _high.Start, _high.Bytes);
            }
            catch
            {
                _functions[slot * FunctionCount] = null;
                _chosen[slot] = false;
                throw;
            }
            return slot;
        }
    }

    /// <summary>The slot of a device that is alone in one which was given out here; null: there is none of that name.</summary>
    internal int? ChosenSlotOf(string name)
    {
        lock (_lock)
        {
            for (int slot = 1; slot < SlotCount; slot++)
                if (_chosen[slot] && _functions[slot * FunctionCount]?.Name == name) return slot;
            return null;
        }
    }

    /// <summary>Takes the device out of a slot: from now on nothing answers there. Returns its name; null where there is nothing to take out.</summary>
    internal string? Hide(int slot)
    {
        lock (_lock)
        {
            if (!_chosen[slot] || _functions[slot * FunctionCount] is not PciFunction function) return null;
            function.Detach();
            _functions[slot * FunctionCount] = null;
            _chosen[slot] = false;
            return function.Name;
        }
    }

    /// <summary>Places a function where its chip has it; function 0 of the slot first. A slot with more functions than that one is not for plugging.</summary>
    internal void AddAt(PciFunction function, int slot, int number)
    {
        lock (_lock)
        {
            int index = (slot * FunctionCount) + number;
            if (_functions[index] is PciFunction other)
                throw new ConfigException($"{function.Name} and {other.Name} both belong at PCI device {slot}, function {number}; remove one.");
            if (number != 0) (_functions[slot * FunctionCount] ?? throw new InvalidOperationException($"{function.Name} needs function 0 of its slot.")).BecomeMultifunction();
            function.Attach(this, slot, number);
            _functions[index] = function;
            _chosen[slot] = false;
        }
    }

    /// <summary>Whether there is a function.</summary>
    internal bool Has(int slot, int number) => _functions[(slot * FunctionCount) + number] is not null;

    /// <summary>Moves the memory-mapped configuration space; null takes it away. Under the configuration lock.</summary>
    internal void MoveEcam(ulong? start) => _ecam.MoveTo(start);

    /// <summary>The lowest and the highest address above 4 GiB that a BAR decodes now; zeros where none does.</summary>
    internal (ulong First, ulong Last) HighRange()
    {
        ulong first = ulong.MaxValue, last = 0;
        lock (_lock)
            foreach (PciFunction? function in _functions)
                foreach (PciBar bar in function?.Bars ?? [])
                {
                    if (bar.Region is not { IsMapped: true } region || region.Start < PciWindows.FourGib) continue;
                    first = Math.Min(first, region.Start);
                    last = Math.Max(last, region.Start + (region.LengthBytes - 1));
                }
        return last == 0 ? (0, 0) : (first, last);
    }

    /// <summary>
    /// Assigns every BAR and enables decoding, as firmware would before a kernel starts. Called once, after the last device was created;
    /// a reset returns to this assignment. Throws <see cref="ConfigException"/> when the windows are too small.
    /// </summary>
    /// <param name="highStart">First address of the window above 4 GiB, as in the root bridge's _CRS.</param>
    /// <param name="highBytes">Its length; 0 for none.</param>
    public void AssignResources(ulong highStart, ulong highBytes)
    {
        lock (_lock)
        {
            IsAssigned = true;
            _high = (highStart, highBytes);
            PciResourceAllocator.Assign(_functions, highStart, highBytes);
            foreach (PciFunction? function in _functions)
            {
                function?.TakeResources();
                function?.UpdateBars();
            }
        }
    }

    /// <summary>Platform reset of the configuration address and of every function's configuration space.</summary>
    public void Reset()
    {
        _ports.Reset();
        lock (_lock)
        {
            foreach (PciFunction? function in _functions)
            {
                function?.ResetConfig();
                if (IsAssigned) function?.TakeResources();
            }
            UpdateAllBars();
        }
    }

    /// <summary>Saves or restores what belongs to no device: the configuration address and the host bridge. Functions bring their own (<see cref="Exchange(PciFunction, StateFields)"/>).</summary>
    internal void Exchange(StateFields fields)
    {
        _ports.Exchange(fields);
        if (_functions[0] is PciFunction bridge) fields.Group("bridge", group => Exchange(bridge, group));
    }

    /// <summary>Saves or restores a function's configuration space and places its ranges.</summary>
    internal void Exchange(PciFunction function, StateFields fields)
    {
        lock (_lock)
        {
            function.ExchangeConfig(fields);
            if (!fields.IsRestoring) return;
            function.OnConfigChanged();
            UpdateAllBars();
        }
    }

    internal void ResetFunction(PciFunction function)
    {
        lock (_lock)
        {
            function.ResetConfig();
            UpdateAllBars();
        }
    }

    internal void ReadConfig(int bus, int device, int function, int register, Span<byte> data)
    {
        lock (_lock)
        {
            if (bus == 0 && _functions[(device * FunctionCount) + function] is PciFunction target) target.ReadConfig(register, data);
            else data.Fill(0xff);
        }
    }

    internal void WriteConfig(int bus, int device, int function, int register, ReadOnlySpan<byte> data)
    {
        if (bus != 0) return;
        lock (_lock)
        {
            if (_functions[(device * FunctionCount) + function] is PciFunction target && target.WriteConfig(register, data)) UpdateAllBars();
        }
    }

    /// <summary>Sets what one function drives onto its routed line. Any thread.</summary>
    internal void SetInterrupt(PciFunction function, int pin, bool asserted)
    {
        int gsi = GsiOf(function.Slot, pin, Machine);
        lock (_interruptLock)
        {
            ref bool drives = ref _drives[(function.Slot * FunctionCount) + function.Number];
            if (drives == asserted) return;
            drives = asserted;
            ref int line = ref _asserted[gsi - FirstGsi];
            line += asserted ? 1 : -1;
            if (line == (asserted ? 1 : 0)) _services.Gsi.SetLine(gsi, asserted);
        }
    }

    // A range that could not be placed because another was in the way gets its place as soon as that one has moved on.
    private void UpdateAllBars()
    {
        foreach (PciFunction? function in _functions) function?.UpdateBars();
    }
}
