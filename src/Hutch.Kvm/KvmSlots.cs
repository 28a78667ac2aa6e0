using System.Collections.Generic;
using Hutch.Core.Memory;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>A part of RAM as KVM knows it.</summary>
/// <param name="Number">Number of the slot.</param>
/// <param name="Address">Guest physical address in bytes.</param>
/// <param name="FirstPage">Its first page in RAM as one run.</param>
/// <param name="PageCount">Its pages of 4 KiB.</param>
/// <param name="HostAddress">Where it is in this process.</param>
internal readonly record struct KvmSlot(uint Number, ulong Address, int FirstPage, int PageCount, ulong HostAddress);

/// <summary>Guest memory as KVM's slots: RAM below the hole is slot 0, RAM above 4 GiB slot 1.</summary>
internal sealed unsafe class KvmSlots
{
    private const int PageShift = 12;

    private readonly KvmDescriptor _vm;
    private readonly List<KvmSlot> _ram = [];

    /// <summary>Lets the guest see its RAM. The memory outlives the machine.</summary>
    internal KvmSlots(KvmDescriptor vm, GuestMemory memory)
    {
        _vm = vm;
        // SAFETY: both ranges lie in the one mapping of the guest's RAM, which the machine's owner keeps until the machine is gone.
        ulong host = (ulong)memory.HostBase;
        int lowPages = (int)(memory.LowBytes >> PageShift);
        _ram.Add(new KvmSlot(0, 0, 0, lowPages, host));
        if (memory.HighBytes != 0) _ram.Add(new KvmSlot(1, GuestMemory.HighMemoryStart, lowPages, (int)(memory.HighBytes >> PageShift), host + memory.LowBytes));
        LogWrites(false);
    }

    /// <summary>The slots of RAM.</summary>
    internal IReadOnlyList<KvmSlot> Ram => _ram;

    /// <summary>Whether the kernel notes the pages that the guest writes.</summary>
    internal void LogWrites(bool logged)
    {
        foreach (KvmSlot slot in _ram)
        {
            KvmMemoryRegion region = new()
            {
                Slot = slot.Number,
                Flags = logged ? KvmMemoryRegion.LogDirtyPages : 0,
                GuestAddress = slot.Address,
                LengthBytes = (ulong)slot.PageCount << PageShift,
                HostAddress = slot.HostAddress,
            };
            _vm.Call(KvmIoctl.SetUserMemoryRegion, "KVM_SET_USER_MEMORY_REGION", ref region);
        }
    }
}
