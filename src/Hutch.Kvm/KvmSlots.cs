using Hutch.Core.Memory;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>Guest memory as KVM's slots: RAM below the hole is slot 0, RAM above 4 GiB slot 1.</summary>
internal sealed unsafe class KvmSlots(KvmDescriptor vm)
{
    private const uint LowRam = 0, HighRam = 1;

    /// <summary>Lets the guest see its RAM. The memory outlives the machine.</summary>
    internal void AddRam(GuestMemory memory)
    {
        // SAFETY: both ranges lie in the one mapping of the guest's RAM, which the machine's owner keeps until the machine is gone.
        Set(LowRam, 0, memory.LowBytes, (ulong)memory.HostBase);
        if (memory.HighBytes != 0) Set(HighRam, GuestMemory.HighMemoryStart, memory.HighBytes, (ulong)memory.HostBase + memory.LowBytes);
    }

    private void Set(uint slot, ulong guestAddress, ulong lengthBytes, ulong hostAddress)
    {
        KvmMemoryRegion region = new() { Slot = slot, GuestAddress = guestAddress, LengthBytes = lengthBytes, HostAddress = hostAddress };
        vm.Call(KvmIoctl.SetUserMemoryRegion, "KVM_SET_USER_MEMORY_REGION", ref region);
    }
}
