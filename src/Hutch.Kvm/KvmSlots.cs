using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Core.Memory;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>A part of guest memory as KVM knows it.</summary>
/// <param name="Number">Number of the slot.</param>
/// <param name="Address">Guest physical address in bytes.</param>
/// <param name="FirstPage">Its first page in RAM as one run; -1: it is no RAM.</param>
/// <param name="PageCount">Its pages of 4 KiB.</param>
/// <param name="HostAddress">Where it is in this process.</param>
/// <param name="IsReadOnly">Stores of the guest leave it as accesses.</param>
internal readonly record struct KvmSlot(uint Number, ulong Address, int FirstPage, int PageCount, ulong HostAddress, bool IsReadOnly = false);

/// <summary>
/// Guest memory as KVM's slots: RAM below the hole is slot 0, RAM above 4 GiB slot 1. Where firmware has its part of the first megabyte protected, RAM below
/// the hole is several slots, which stay apart, so that a change replaces small ones only: a slot cannot become read-only, it is removed and made again.
/// </summary>
internal sealed unsafe class KvmSlots : IDisposable
{
    private const int PageShift = 12;

    // What chipsets protect lies in [768 KiB, 1 MiB).
    private const ulong FirmwareStart = 0xc_0000;

    private readonly Lock _lock = new();
    private readonly KvmDescriptor _vm;
    private readonly GuestMemory _memory;
    private List<KvmSlot> _slots = [];
    private List<KvmSlot> _ram = [];
    private bool _isDivided, _isLogged;

    /// <summary>Lets the guest see its memory, which outlives the machine.</summary>
    internal KvmSlots(KvmDescriptor vm, GuestMemory memory)
    {
        _vm = vm;
        _memory = memory;
        Follow();
        memory.Layout.AddObserver(Follow);
    }

    /// <summary>The slots of RAM.</summary>
    internal IReadOnlyList<KvmSlot> Ram => Volatile.Read(ref _ram);

    /// <summary>Whether the kernel notes the pages that the guest writes.</summary>
    internal void LogWrites(bool logged)
    {
        lock (_lock)
        {
            _isLogged = logged;
            foreach (KvmSlot slot in _slots)
                if (slot.FirstPage >= 0) Set(slot);
        }
    }

    /// <summary>Stops following the memory's layout.</summary>
    public void Dispose() => _memory.Layout.RemoveObserver(Follow);

    // Makes the kernel's slots those that memory has now.
    private void Follow()
    {
        lock (_lock)
        {
            List<KvmSlot> wanted = Wanted(), kept = _slots.FindAll(slot => wanted.Exists(other => other with { Number = slot.Number } == slot));
            foreach (KvmSlot slot in _slots)
                if (!kept.Contains(slot)) Remove(slot);
            foreach (KvmSlot slot in wanted)
            {
                if (kept.Exists(other => other.Address == slot.Address)) continue;
                uint number = 0;
                while (kept.Exists(other => other.Number == number)) number++;
                KvmSlot made = slot with { Number = number };
                Set(made);
                kept.Add(made);
            }
            _slots = kept;
            Volatile.Write(ref _ram, kept.FindAll(static slot => slot.FirstPage >= 0));
        }
    }

    private List<KvmSlot> Wanted()
    {
        List<KvmSlot> slots = [];
        ulong segments = _memory.Layout.ProtectedSegments;
        ulong hidden = _memory.Layout.HiddenSegments, first = 0;
        _isDivided |= (segments & ~hidden) != 0;
        for (ulong start = 0; start < MemoryLayout.SegmentedBytes; start += MemoryLayout.SegmentBytes)
        {
            bool isHidden = Has(hidden, start), isAlone = _isDivided && start >= FirmwareStart;
            if (!isHidden && !isAlone) continue;
            AddLow(slots, first, start - first, false);
            if (!isHidden) AddLow(slots, start, MemoryLayout.SegmentBytes, Has(segments, start));
            first = start + MemoryLayout.SegmentBytes;
        }
        AddLow(slots, first, _memory.LowBytes - first, false);
        // SAFETY: all ranges lie in mappings of the guest's memory, which the machine's owner keeps until the machine is gone.
        if (_memory.HighBytes != 0)
            slots.Add(new KvmSlot(0, GuestMemory.HighMemoryStart, (int)(_memory.LowBytes >> PageShift), (int)(_memory.HighBytes >> PageShift), (ulong)_memory.HostBase + _memory.LowBytes));
        foreach (RomRegion rom in _memory.Layout.Roms)
            if (rom.IsVisible) slots.Add(new KvmSlot(0, rom.Start, -1, (int)(rom.LengthBytes >> PageShift), (ulong)rom.HostStart, IsReadOnly: true));
        foreach (DeviceMemory memory in _memory.Layout.Devices)
            if (memory.Start is ulong start) slots.Add(new KvmSlot(0, start, -1, (int)(memory.LengthBytes >> PageShift), (ulong)memory.HostStart));
        return slots;
    }

    private static bool Has(ulong segments, ulong address) => (segments >> (int)(address / MemoryLayout.SegmentBytes) & 1) != 0;

    private void AddLow(List<KvmSlot> slots, ulong start, ulong lengthBytes, bool isReadOnly)
    {
        if (lengthBytes == 0) return;
        slots.Add(new KvmSlot(0, start, (int)(start >> PageShift), (int)(lengthBytes >> PageShift), (ulong)_memory.HostBase + start, isReadOnly));
    }

    private void Set(KvmSlot slot)
    {
        KvmMemoryRegion region = new()
        {
            Slot = slot.Number,
            Flags = (_isLogged && slot.FirstPage >= 0 ? KvmMemoryRegion.LogDirtyPages : 0) | (slot.IsReadOnly ? KvmMemoryRegion.ReadOnly : 0),
            GuestAddress = slot.Address,
            LengthBytes = (ulong)slot.PageCount << PageShift,
            HostAddress = slot.HostAddress,
        };
        _vm.Call(KvmIoctl.SetUserMemoryRegion, "KVM_SET_USER_MEMORY_REGION", ref region);
    }

    private void Remove(KvmSlot slot)
    {
        KvmMemoryRegion region = new() { Slot = slot.Number, GuestAddress = slot.Address, HostAddress = slot.HostAddress };
        _vm.Call(KvmIoctl.SetUserMemoryRegion, "KVM_SET_USER_MEMORY_REGION", ref region);
    }
}
