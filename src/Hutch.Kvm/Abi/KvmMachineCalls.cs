using System.Runtime.InteropServices;

namespace Hutch.Kvm.Abi;

/// <summary>struct kvm_userspace_memory_region (linux/kvm.h), argument of KVM_SET_USER_MEMORY_REGION.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMemoryRegion
{
    public uint Slot;

    /// <summary>KVM_MEM_.</summary>
    public uint Flags;

    /// <summary>Guest physical address in bytes, page aligned.</summary>
    public ulong GuestAddress;

    /// <summary>Length in bytes; 0 removes the slot.</summary>
    public ulong LengthBytes;

    /// <summary>Host address, page aligned.</summary>
    public ulong HostAddress;

    /// <summary>KVM_MEM_LOG_DIRTY_PAGES.</summary>
    internal const uint LogDirtyPages = 1;

    /// <summary>KVM_MEM_READONLY: stores leave the guest as accesses.</summary>
    internal const uint ReadOnly = 2;
}

/// <summary>struct kvm_dirty_log (linux/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmDirtyLog
{
    public uint Slot;
    private readonly uint _padding;

    /// <summary>Address of the bitmap, a bit for each page, whole words.</summary>
    public ulong Bitmap;
}

/// <summary>struct kvm_clear_dirty_log (linux/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmClearDirtyLog
{
    public uint Slot;

    /// <summary>A multiple of 64, or up to the slot's end.</summary>
    public uint PageCount;

    /// <summary>A multiple of 64.</summary>
    public ulong FirstPage;

    /// <summary>Address of the bitmap of pages to protect again.</summary>
    public ulong Bitmap;
}

/// <summary>struct kvm_dirty_gfn (linux/kvm.h): an entry of the dirty ring.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmDirtyPage
{
    /// <summary><see cref="Dirty"/> set by the kernel, <see cref="Reset"/> by us.</summary>
    public uint Flags;

    /// <summary>Slot in bits 0-15, address space above.</summary>
    public uint Slot;

    /// <summary>Page in the slot.</summary>
    public ulong Page;

    /// <summary>KVM_DIRTY_GFN_F_.</summary>
    internal const uint Dirty = 1, Reset = 2;
}

/// <summary>struct kvm_enable_cap (linux/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential, Size = 104)]
internal struct KvmEnableCap
{
    public KvmCap Cap;
    public uint Flags;
    public ulong Argument0, Argument1, Argument2, Argument3;
}

/// <summary>struct kvm_clock_data (linux/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential, Size = 48)]
internal struct KvmClockData
{
    /// <summary>Nanoseconds.</summary>
    public ulong Clock;

    /// <summary>KVM_CLOCK_.</summary>
    public uint Flags;

    private readonly uint _padding;

    /// <summary>CLOCK_REALTIME at the same moment, with flag <see cref="HasRealTime"/>.</summary>
    public ulong RealTime;

    /// <summary>The host's TSC at the same moment, with flag <see cref="HasHostTsc"/>.</summary>
    public ulong HostTsc;

    /// <summary>KVM_CLOCK_TSC_STABLE, KVM_CLOCK_REALTIME, KVM_CLOCK_HOST_TSC.</summary>
    internal const uint TscStable = 2, HasRealTime = 4, HasHostTsc = 8;
}

/// <summary>struct kvm_coalesced_mmio_zone (linux/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmCoalescedZone
{
    public ulong Address;
    public uint LengthBytes;

    /// <summary>1: a port.</summary>
    public uint IsPort;
}

/// <summary>struct kvm_coalesced_mmio (linux/kvm.h): a store that waits in the ring.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct KvmCoalescedStore
{
    public ulong Address;
    public uint LengthBytes;
    public uint IsPort;
    public fixed byte Data[8];
}

/// <summary>struct kvm_msi (linux/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct KvmMsi
{
    public uint AddressLow, AddressHigh, Data, Flags, DeviceId;
    private readonly uint _padding0, _padding1, _padding2;
}

/// <summary>struct kvm_irq_routing_entry (linux/kvm.h) of type MSI.</summary>
[StructLayout(LayoutKind.Sequential, Size = 48)]
internal struct KvmMsiRoute
{
    public uint Gsi;

    /// <summary><see cref="MsiType"/>.</summary>
    public uint Type;

    public uint Flags;
    private readonly uint _padding;
    public uint AddressLow, AddressHigh, Data, DeviceId;

    /// <summary>KVM_IRQ_ROUTING_MSI.</summary>
    internal const uint MsiType = 2;
}

/// <summary>struct kvm_irqfd (linux/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential, Size = 32)]
internal struct KvmIrqfd
{
    public uint EventFd;
    public uint Gsi;
    public uint Flags;
    public uint ResampleFd;

    /// <summary>KVM_IRQFD_FLAG_DEASSIGN.</summary>
    internal const uint Deassign = 1;
}

/// <summary>struct kvm_ioeventfd (linux/kvm.h).</summary>
[StructLayout(LayoutKind.Sequential, Size = 64)]
internal struct KvmIoeventfd
{
    public ulong DataMatch;

    /// <summary>Port or physical address.</summary>
    public ulong Address;

    /// <summary>1, 2, 4, 8, or 0 for any.</summary>
    public uint LengthBytes;

    public int EventFd;
    public uint Flags;

    /// <summary>KVM_IOEVENTFD_FLAG_.</summary>
    internal const uint HasDataMatch = 1, IsPort = 2, Deassign = 4;
}
