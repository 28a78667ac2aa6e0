using System.Runtime.InteropServices;

namespace Hutch.Host.Vfio;

/// <summary>Requests and flags of linux/vfio.h and linux/iommufd.h. All requests are _IO(';', number).</summary>
internal static class VfioAbi
{
    internal const uint GetApiVersion = Type | 100, CheckExtension = Type | 101, SetIommu = Type | 102;
    internal const uint GroupGetStatus = Type | 103, GroupSetContainer = Type | 104, GroupGetDevice = Type | 106;
    internal const uint DeviceGetInfo = Type | 107, DeviceGetRegion = Type | 108, DeviceGetIrq = Type | 109, DeviceSetIrqs = Type | 110, DeviceReset = Type | 111;
    internal const uint IommuMapDma = Type | 113, DeviceBindIommufd = Type | 118, DeviceAttachIommufd = Type | 119;
    internal const uint IoasAlloc = Type | 0x81, IoasMap = Type | 0x85;

    internal const uint Type1V2 = 3, GroupViable = 1, DeviceCanReset = 1, DeviceIsPci = 2, RegionCanMap = 4, MapReadWrite = 3;

    /// <summary>IOMMU_IOAS_MAP_FIXED_IOVA, _WRITEABLE and _READABLE.</summary>
    internal const uint IoasMapFlags = 7;

    /// <summary>VFIO_IRQ_SET_DATA_* and _ACTION_*.</summary>
    internal const uint IrqNoData = 1, IrqEvents = 4, IrqUnmask = 16, IrqTrigger = 32;

    private const uint Type = ';' << 8;
}

/// <summary>struct vfio_device_info.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VfioDeviceInfo
{
    public uint ArgumentBytes, Flags, RegionCount, IrqCount, CapabilityOffset;
}

/// <summary>struct vfio_region_info.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VfioRegionInfo
{
    public uint ArgumentBytes, Flags, Index, CapabilityOffset;
    public ulong LengthBytes, Offset;
}

/// <summary>struct vfio_irq_info.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VfioIrqInfo
{
    public uint ArgumentBytes, Flags, Index, Count;
}

/// <summary>struct vfio_irq_set, before its data.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VfioIrqSet
{
    public uint ArgumentBytes, Flags, Index, Start, Count;
}

/// <summary>struct vfio_iommu_type1_dma_map.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VfioDmaMap
{
    public uint ArgumentBytes, Flags;
    public ulong Host, Address, LengthBytes;
}

/// <summary>struct iommu_ioas_map.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct IommuIoasMap
{
    public uint ArgumentBytes, Flags, SpaceId, Reserved;
    public ulong Host, LengthBytes, Address;
}

/// <summary>Structures of three or four words: vfio_group_status, iommu_ioas_alloc, vfio_device_bind_iommufd, vfio_device_attach_iommufd_pt. The first is the length in bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct VfioWords
{
    public uint ArgumentBytes, Second, Third, Fourth;
}
