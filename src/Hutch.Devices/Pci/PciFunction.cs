using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Numerics;
using Hutch.Core.Bus;
using Hutch.Core.State;
using static Hutch.Devices.Pci.PciRegisters;
using IInterruptRouter = Hutch.Core.Interrupts.IInterruptRouter;

namespace Hutch.Devices.Pci;

/// <summary>
/// One PCI function with a type 0 header: registers with write masks, BARs that follow what the guest programs, capabilities, INTx.
/// Configuration accesses arrive under the bus's lock; <see cref="SetInterrupt"/> from any thread.
/// </summary>
internal abstract class PciFunction
{
    private readonly byte[] _config = new byte[ExtendedBytes];
    private readonly byte[] _writable = new byte[ExtendedBytes];
    private readonly byte[] _writeOneToClear = new byte[ExtendedBytes];
    private readonly List<PciBar> _bars = [];
    private byte[] _powerOn = [];
    private PciBus? _bus;
    private int _lastCapability;
    private int _capabilityEnd = FirstCapability;
    private Msix? _msix;
    private int _msixCapability;
    private int _pin;
    private volatile bool _interrupt;
    private bool _hasResources;

    private protected PciFunction(string name, PciIdentity identity)
    {
        Name = name;
        Put16(VendorId, identity.Vendor);
        Put16(DeviceId, identity.Device);
        _config[RevisionId] = identity.Revision;
        _config[ClassCode] = (byte)identity.Class;
        Put16(ClassCode + 1, (ushort)(identity.Class >> 8));
        Put16(SubsystemVendorId, identity.SubsystemVendor);
        Put16(SubsystemId, identity.Subsystem);
        BinaryPrimitives.WriteUInt16LittleEndian(_writable.AsSpan(Command),
            CommandIo | CommandMemory | CommandBusMaster | CommandParity | CommandSerr | CommandInterruptDisable);
        BinaryPrimitives.WriteUInt16LittleEndian(_writeOneToClear.AsSpan(Status), StatusWriteOneToClear);
        _writable[CacheLineSize] = 0xff;
        _writable[InterruptLine] = 0xff;
    }

    /// <summary>Name for region names and errors.</summary>
    internal string Name { get; }

    /// <summary>Device number on bus 0; -1 until attached.</summary>
    internal int Slot { get; private set; } = -1;

    /// <summary>Function number, 0 to 7.</summary>
    internal int Number { get; private set; }

    /// <summary>The function's BARs.</summary>
    internal IReadOnlyList<PciBar> Bars => _bars;

    /// <summary>The command register.</summary>
    private protected ushort CommandRegister => Get16(Command);

    /// <summary>Connects the function to its bus; the power-on content of configuration space is fixed here.</summary>
    internal void Attach(PciBus bus, int slot, int number)
    {
        _bus = bus;
        Slot = slot;
        Number = number;
        foreach (PciBar bar in _bars)
            bar.Region = (bar.Kind == PciBarKind.Io ? bus.Ports : bus.Mmio).Reserve($"{Name} bar{bar.Index}", bar.LengthBytes, bar.Device);
        _powerOn = (byte[])_config.Clone();
    }

    /// <summary>Off the bus: its ranges and its interrupt are gone. Under the bus's lock.</summary>
    internal void Detach()
    {
        foreach (PciBar bar in _bars)
        {
            if (bar.Region is BusRegion region && region.MoveTo(null)) OnMoved(bar, region);
        }
        _bus!.SetInterrupt(this, _pin, false);
        _bus = null;
    }

    /// <summary>What configuration space holds now is what a reset returns to.</summary>
    private protected void RememberPowerOn() => _powerOn = (byte[])_config.Clone();

    /// <summary>Says that the slot has more functions than this one, number 0.</summary>
    internal void BecomeMultifunction() => _config[HeaderType] = _powerOn[HeaderType] = Multifunction;

    /// <summary>Reads 1, 2 or 4 bytes; <paramref name="offset"/> + length is within 4096.</summary>
    internal virtual void ReadConfig(int offset, Span<byte> data)
    {
        _config.AsSpan(offset, data.Length).CopyTo(data);
        if (_interrupt && offset <= Status && Status < offset + data.Length) data[Status - offset] |= (byte)StatusInterrupt;
    }

    /// <summary>Writes 1, 2 or 4 bytes through the masks. True when a BAR or the decode enables may have changed.</summary>
    internal virtual bool WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i++)
        {
            int at = offset + i;
            int mask = _writable[at];
            _config[at] = (byte)(((_config[at] & ~mask) | (data[i] & mask)) & ~(data[i] & _writeOneToClear[at]));
        }
        int end = offset + data.Length;
        bool command = offset < Command + 2 && end > Command;
        if (command) UpdateInterruptLine();
        if (_msix is not null && offset < _msixCapability + 4 && end > _msixCapability + 2)
        {
            _msix.SetControl(Get16(_msixCapability + 2));
            OnMsixControl();
        }
        OnConfigChanged();
        return command || (offset < BarEnd && end > Bar0) || (offset < RomAddress + 4 && end > RomAddress);
    }

    /// <summary>Makes the bus agree with the BARs and the command register. Idempotent; an impossible place leaves the range unmapped.</summary>
    internal void UpdateBars()
    {
        ushort command = CommandRegister;
        foreach (PciBar bar in _bars)
        {
            if (bar.Region is not BusRegion region) continue;
            ulong start = GetBar(bar);
            bool decoded = (command & (bar.Kind == PciBarKind.Io ? CommandIo : CommandMemory)) != 0
                && (!bar.IsRom || (_config[RomAddress] & RomEnable) != 0) && PciWindows.Accepts(bar.Kind, start, bar.LengthBytes, _bus!.LowStart);
            if (region.MoveTo(decoded ? start : null)) OnMoved(bar, region);
        }
    }

    /// <summary>A BAR's range was placed, moved or taken off the bus. Under the bus's configuration lock.</summary>
    private protected virtual void OnMoved(PciBar bar, BusRegion region) { }

    /// <summary>Sets a BAR's address, as firmware would.</summary>
    internal void SetBar(PciBar bar, ulong address)
    {
        uint flags = (uint)_config[bar.Register] & (bar.Kind == PciBarKind.Io ? 3u : 15u);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(bar.Register), (uint)address | flags);
        if (bar.Kind == PciBarKind.Memory64) BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(bar.Register + 4), (uint)(address >> 32));
    }

    /// <summary>Takes the places that were found for its BARs and enables decoding and bus mastering, as firmware would; a reset returns there.</summary>
    internal virtual void TakeResources()
    {
        _hasResources = true;
        foreach (PciBar bar in _bars) SetBar(bar, bar.BootAddress);
        ushort command = (ushort)(CommandRegister | CommandBusMaster);
        foreach (PciBar bar in _bars) command |= bar.Kind == PciBarKind.Io ? CommandIo : CommandMemory;
        Put16(Command, command);
    }

    /// <summary>Configuration space back to what it was when the machine was built and its resources assigned.</summary>
    internal virtual void ResetConfig()
    {
        if (_powerOn.Length == 0) return;
        _powerOn.CopyTo(_config, 0);
        SetInterrupt(false);
        if (_hasResources) TakeResources();
        OnConfigChanged();
    }

    /// <summary>
    /// Configuration space was written, reset or restored; what follows from it besides the BARs' ranges is to be made so. Idempotent. Under the bus's configuration lock.
    /// </summary>
    internal virtual void OnConfigChanged() { }

    /// <summary>
    /// Saves or restores what the guest can change of configuration space; the rest is the machine's, and a state from a machine with another function
    /// here is refused. The caller then places the ranges.
    /// </summary>
    internal void ExchangeConfig(StateFields fields)
    {
        byte[] saved = _config.AsSpan(0, ConventionalBytes).ToArray();
        fields.Bytes("config", saved);
        if (!fields.IsRestoring) return;
        if (!saved.AsSpan(0, 4).SequenceEqual(_config.AsSpan(0, 4)))
            throw new StateException($"The saved state has another device where this machine has {Name}; restore it with the definition that is in it.");
        for (int i = 0; i < saved.Length; i++)
        {
            int mask = _writable[i] | _writeOneToClear[i];
            _config[i] = (byte)((_config[i] & ~mask) | (saved[i] & mask));
        }
        UpdateInterruptLine();
    }

    /// <summary>Level of the function's interrupt pin. Any thread.</summary>
    private protected void SetInterrupt(bool asserted)
    {
        if (_interrupt == asserted) return;
        _interrupt = asserted;
        UpdateInterruptLine();
    }

    /// <summary>Lets the guest write bits of a register.</summary>
    private protected void MakeWritable(int offset, byte mask) => _writable[offset] = mask;

    /// <summary>Says that the function uses an interrupt pin: 0 to 3 for INTA to INTD.</summary>
    private protected void UseInterruptPin(int pin = 0)
    {
        _pin = pin;
        _config[InterruptPin] = (byte)(pin + 1);
    }

    /// <summary>Adds a BAR. <paramref name="lengthBytes"/> is a power of two.</summary>
    private protected PciBar AddBar(int index, PciBarKind kind, ulong lengthBytes, IBusDevice device, bool isPrefetchable = false)
    {
        if (!BitOperations.IsPow2(lengthBytes) || lengthBytes < 16 || index is < 0 or > 5)
            throw new ArgumentOutOfRangeException(nameof(lengthBytes), $"{Name}: BAR {index} cannot be {lengthBytes} bytes.");
        PciBar bar = new(index, kind, lengthBytes, device);
        _config[bar.Register] = kind switch { PciBarKind.Io => 1, PciBarKind.Memory64 => 4, _ => 0 };
        if (isPrefetchable) _config[bar.Register] |= 8;
        ulong mask = ~(lengthBytes - 1);
        BinaryPrimitives.WriteUInt32LittleEndian(_writable.AsSpan(bar.Register), (uint)mask);
        if (kind == PciBarKind.Memory64) BinaryPrimitives.WriteUInt32LittleEndian(_writable.AsSpan(bar.Register + 4), (uint)(mask >> 32));
        _bars.Add(bar);
        return bar;
    }

    /// <summary>Adds MSI-X with a BAR of its own, and follows what the guest writes to its control register. The caller saves, restores and resets it.</summary>
    private protected Msix UseMsix(int vectors, int bar, IInterruptRouter router)
    {
        _msix = new Msix(vectors, router);
        AddBar(bar, PciBarKind.Memory32, Msix.BarBytes, _msix);
        _msixCapability = AddCapability(CapabilityMsix, _msix.CapabilityBody(bar), Msix.CapabilityWritable);
        return _msix;
    }

    /// <summary>MSI-X was switched on or off, and with it the pin (PCI Express Base 5.0 §6.1.4.3). Under the bus's configuration lock.</summary>
    private protected virtual void OnMsixControl() { }

    /// <summary>Adds the expansion ROM, as this function's. Before <see cref="Attach"/>.</summary>
    internal void UseRom(OptionRom rom)
    {
        rom.Fit(Get16(VendorId), Get16(DeviceId));
        BinaryPrimitives.WriteUInt32LittleEndian(_writable.AsSpan(RomAddress), (uint)~(rom.LengthBytes - 1) | RomEnable);
        _bars.Add(new PciBar(PciBar.RomIndex, PciBarKind.Memory32, rom.LengthBytes, rom));
    }

    /// <summary>Appends a capability to the list; <paramref name="body"/> follows the two header bytes. Returns its offset.</summary>
    private protected int AddCapability(byte id, ReadOnlySpan<byte> body, ReadOnlySpan<byte> bodyWritable = default)
    {
        int offset = _capabilityEnd;
        _capabilityEnd = (offset + 2 + body.Length + 3) & ~3;
        if (_capabilityEnd > ConventionalBytes) throw new InvalidOperationException($"{Name}: the capabilities do not fit.");
        _config[offset] = id;
        body.CopyTo(_config.AsSpan(offset + 2));
        bodyWritable.CopyTo(_writable.AsSpan(offset + 2));
        _config[_lastCapability == 0 ? CapabilityPointer : _lastCapability + 1] = (byte)offset;
        _lastCapability = offset;
        Put16(Status, (ushort)(Get16(Status) | StatusCapabilities));
        return offset;
    }

    /// <summary>
    /// Adds a PCI Express capability, version 2, of a root complex integrated endpoint (PCI Express Base 5.0 §7.5.3): such a function has
    /// no link, and its extended configuration space is legal to read.
    /// </summary>
    private protected void AddExpressCapability()
    {
        Span<byte> body = stackalloc byte[0x3a];
        Span<byte> writable = stackalloc byte[0x3a];
        body.Clear();
        writable.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(body, 0x0092);                  // version 2, type 9
        BinaryPrimitives.WriteUInt32LittleEndian(body[0x02..], 1u << 15);        // role-based error reporting
        BinaryPrimitives.WriteUInt16LittleEndian(writable[0x06..], 0x7fff);      // device control, without function level reset
        AddCapability(CapabilityExpress, body, writable);
    }

    /// <summary>Reads a 16-bit register.</summary>
    private protected ushort Get16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_config.AsSpan(offset));

    /// <summary>Reads a 32-bit register.</summary>
    private protected uint Get32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_config.AsSpan(offset));

    /// <summary>Sets a 32-bit register past the masks.</summary>
    private protected void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(offset), value);

    /// <summary>Sets a 16-bit register past the masks.</summary>
    private protected void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_config.AsSpan(offset), value);

    private ulong GetBar(PciBar bar)
    {
        ulong low = Get32(bar.Register);
        return bar.Kind switch
        {
            PciBarKind.Io => low & ~3UL,
            PciBarKind.Memory64 => (low & ~15UL) | ((ulong)Get32(bar.Register + 4) << 32),
            _ => low & ~15UL,
        };
    }

    private void UpdateInterruptLine() =>
        _bus?.SetInterrupt(this, _pin, _interrupt && (CommandRegister & CommandInterruptDisable) == 0);
}
