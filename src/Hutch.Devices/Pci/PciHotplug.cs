using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Numerics;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Chipset;
using Hutch.Model.Machine;

namespace Hutch.Devices.Pci;

/// <summary>
/// Plugging and pulling of the functions of bus 0 while the guest runs, by ACPI: the registers that the methods of the DSDT use. A general-purpose event tells the
/// guest that it must look: at the slots that have something new, and at those that it is to give up, which it then ejects.
/// <code>
///   +0  slots with something new; reading takes them    +4  slots to be given up    +8  written: slots that the guest ejects
/// </code>
/// </summary>
internal sealed class PciHotplug(PciBus bus, PmBlock pm, IPlatformEvents platform) : IBusDevice, IStateUnit, IHotplug
{
    /// <summary>First port, and how many there are.</summary>
    internal const ushort BasePort = 0xae00, LengthBytes = 12;

    /// <summary>The general-purpose event.</summary>
    internal const int GpeNumber = 1;

    /// <summary>Slots that take part: not the host bridge's, and not the last one, which is the chipset's.</summary>
    internal const int FirstSlot = 1, LastSlot = 30;

    /// <summary>The first slot that takes part in a machine: a pc's slot 1 is the chipset's.</summary>
    internal static int FirstSlotOf(MachineKind machine) => machine == MachineKind.Pc ? FirstSlot + 1 : FirstSlot;

    private const int Up = 0, Down = 4, Eject = 8;

    private readonly Lock _lock = new();
    private readonly Queue<string> _ejected = new();
    private uint _up, _down;

    /// <inheritdoc/>
    public string Name => "pci-hotplug";

    /// <summary>Puts the registers at their ports.</summary>
    internal void MapOn(AddressBus ports) => ports.Map("pci hot-plug", BasePort, LengthBytes, this);

    /// <inheritdoc/>
    public int? SlotOf(string device) => bus.ChosenSlotOf(device);

    /// <inheritdoc/>
    public void Announce(string device) => Raise(ref _up, device);

    /// <inheritdoc/>
    public void AskFor(string device) => Raise(ref _down, device);

    /// <inheritdoc/>
    public string? TakeEjected()
    {
        lock (_lock) return _ejected.TryDequeue(out string? device) ? device : null;
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (_lock)
        {
            Span<byte> registers = stackalloc byte[LengthBytes];
            registers.Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(registers[Up..], _up);
            BinaryPrimitives.WriteUInt32LittleEndian(registers[Down..], _down);
            registers.Slice((int)offset, data.Length).CopyTo(data);
            if (offset == Up && data.Length == sizeof(uint)) _up = 0;
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset != Eject || data.Length != sizeof(uint)) return BusStatus.Handled;
        bool any = false;
        for (uint slots = BinaryPrimitives.ReadUInt32LittleEndian(data); slots != 0; slots &= slots - 1) any |= TakeOut(BitOperations.TrailingZeroCount(slots));
        if (any) platform.Ejected();
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_lock) _up = _down = 0;
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        lock (_lock)
        {
            fields.Value("up", ref _up);
            fields.Value("down", ref _down);
        }
    }

    private void Raise(ref uint slots, string device)
    {
        int slot = bus.ChosenSlotOf(device) ?? throw new InvalidOperationException($"{device} is in no slot.");
        lock (_lock) slots |= 1u << slot;
        pm.RaiseGpe(GpeNumber);
    }

    // What the guest ejects is gone for it at once; its owner gives it up when the machine can be stopped for that.
    private bool TakeOut(int slot)
    {
        lock (_lock)
        {
            _down &= ~(1u << slot);
            if (slot is < FirstSlot or > LastSlot || bus.Hide(slot) is not string device) return false;
            _ejected.Enqueue(device);
            return true;
        }
    }
}
