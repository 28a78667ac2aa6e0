using System;
using System.Collections.Generic;
using System.Text;
using Hutch.Host.Linux;

namespace Hutch.Host.Vfio;

/// <summary>The memory that a machine's devices of the host reach, and the way to get them. Disposing it closes what it opened; the devices first. One thread at a time.</summary>
internal abstract unsafe class VfioAddressSpace(IDeviceCalls calls) : IDisposable
{
    private readonly List<int> _open = [];

    private protected IDeviceCalls Calls => calls;

    /// <summary>The descriptor of a device, which is its caller's. Throws <see cref="VfioException"/>.</summary>
    internal abstract int OpenDevice(VfioLocation device, IReadOnlyList<DmaRange> memory);

    /// <inheritdoc/>
    public void Dispose()
    {
        for (int i = _open.Count - 1; i >= 0; i--) calls.Close(_open[i]);
        _open.Clear();
    }

    private protected int Open(string path, string device)
    {
        int fd = OpenFile(calls, path, device);
        _open.Add(fd);
        return fd;
    }

    private protected static int OpenFile(IDeviceCalls calls, string path, string device)
    {
        int fd = calls.Open(path);
        return fd >= 0 ? fd : throw new VfioException(-fd switch
        {
            2 => $"{path}, by which {device} is passed through, does not exist; load the driver with modprobe vfio-pci, and pass the file to a container with docker run --device {path}.",
            1 or 13 => $"{path}, by which {device} is passed through, is not for this user; as root: chown $USER {path}.",
            16 => $"{path}, by which {device} is passed through, is in use by another program; end that one.",
            _ => Refusal(path, device, "open", fd),
        });
    }

    private protected void Demand(int result, string path, string device, string call)
    {
        if (result < 0) throw new VfioException(Refusal(path, device, call, result));
    }

    private protected static VfioException CannotMap(int result, ulong lengthBytes, string device) => new(
        $"The {lengthBytes >> 20} MiB of guest memory cannot be kept in place for {device}: {Reason(result)}. Raise the limit of locked memory (ulimit -l unlimited, LimitMEMLOCK=infinity), or give less with --memory.");

    private static string Refusal(string path, string device, string call, int result) =>
        $"{path}, by which {device} is passed through, refuses {call}: {Reason(result)}; dmesg of the host has more.";

    private static string Reason(int result) => System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage(-result);
}

/// <summary>By groups of devices that the IOMMU cannot tell apart: /dev/vfio/vfio and /dev/vfio/N.</summary>
internal sealed unsafe class VfioGroups(IDeviceCalls calls) : VfioAddressSpace(calls)
{
    private const string ContainerPath = "/dev/vfio/vfio";

    private readonly Dictionary<string, int> _groups = [];
    private int _container = -1;

    /// <inheritdoc/>
    internal override int OpenDevice(VfioLocation device, IReadOnlyList<DmaRange> memory)
    {
        string address = device.Address, path = $"/dev/vfio/{device.Group}";
        if (_container < 0) _container = OpenContainer(address);
        if (!_groups.TryGetValue(device.Group, out int group)) group = OpenGroup(device, path, memory);
        // SAFETY: the kernel reads a string that ends with zero, which stays where it is during the call.
        fixed (byte* name = Encoding.ASCII.GetBytes(address + "\0"))
        {
            int fd = Calls.Ioctl(group, VfioAbi.GroupGetDevice, (nuint)name);
            Demand(fd, path, address, "VFIO_GROUP_GET_DEVICE_FD");
            return fd;
        }
    }

    private int OpenContainer(string address)
    {
        int container = Open(ContainerPath, address);
        if (Calls.Ioctl(container, VfioAbi.GetApiVersion, 0) != 0 || Calls.Ioctl(container, VfioAbi.CheckExtension, (nuint)VfioAbi.Type1V2) != 1)
            throw new VfioException($"{ContainerPath}, by which {address} is passed through, has no IOMMU of type 1 v2; load the driver with modprobe vfio_iommu_type1.");
        return container;
    }

    private int OpenGroup(VfioLocation device, string path, IReadOnlyList<DmaRange> memory)
    {
        int group = Open(path, device.Address);
        VfioWords status = new() { ArgumentBytes = 8 };
        // SAFETY: the kernel writes eight bytes into a local.
        Demand(Calls.Ioctl(group, VfioAbi.GroupGetStatus, (nuint)(&status)), path, device.Address, "VFIO_GROUP_GET_STATUS");
        if ((status.Second & VfioAbi.GroupViable) == 0) throw new VfioException(device.NotViable());
        int container = _container;
        // SAFETY: the kernel reads a local.
        Demand(Calls.Ioctl(group, VfioAbi.GroupSetContainer, (nuint)(&container)), path, device.Address, "VFIO_GROUP_SET_CONTAINER");
        if (_groups.Count == 0)
        {
            Demand(Calls.Ioctl(container, VfioAbi.SetIommu, (nuint)VfioAbi.Type1V2), ContainerPath, device.Address, "VFIO_SET_IOMMU");
            foreach (DmaRange range in memory) Map(range, device.Address);
        }
        _groups.Add(device.Group, group);
        return group;
    }

    private void Map(DmaRange range, string address)
    {
        VfioDmaMap map = new() { ArgumentBytes = (uint)sizeof(VfioDmaMap), Flags = VfioAbi.MapReadWrite, Host = (ulong)range.Host, Address = range.Address, LengthBytes = range.LengthBytes };
        // SAFETY: the kernel reads a local; the memory that it names stays as long as the machine.
        int result = Calls.Ioctl(_container, VfioAbi.IommuMapDma, (nuint)(&map));
        if (result < 0) throw CannotMap(result, range.LengthBytes, address);
    }
}

/// <summary>By devices of their own: /dev/iommu and /dev/vfio/devices/vfioN.</summary>
internal sealed unsafe class VfioIommufd(IDeviceCalls calls) : VfioAddressSpace(calls)
{
    private const string IommuPath = "/dev/iommu";

    private int _iommu = -1;
    private uint _space;

    /// <inheritdoc/>
    internal override int OpenDevice(VfioLocation device, IReadOnlyList<DmaRange> memory)
    {
        string address = device.Address, path = $"/dev/vfio/devices/{device.Node}";
        if (_iommu < 0) Begin(address, memory);
        int fd = OpenFile(Calls, path, address);
        try
        {
            VfioWords bind = new() { ArgumentBytes = 16, Third = (uint)_iommu }, attach = new() { ArgumentBytes = 12, Third = _space };
            // SAFETY: the kernel reads and writes locals of the lengths that they say.
            int bound = Calls.Ioctl(fd, VfioAbi.DeviceBindIommufd, (nuint)(&bind));
            // The kernel finds that the rest of the group is in other hands (EPERM of iommu_device_claim_dma_owner is EBUSY).
            if (-bound is 1 or 16) throw new VfioException(device.NotViable());
            Demand(bound, path, address, "VFIO_DEVICE_BIND_IOMMUFD");
            Demand(Calls.Ioctl(fd, VfioAbi.DeviceAttachIommufd, (nuint)(&attach)), path, address, "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
            return fd;
        }
        catch
        {
            Calls.Close(fd);
            throw;
        }
    }

    private void Begin(string address, IReadOnlyList<DmaRange> memory)
    {
        int iommu = Open(IommuPath, address);
        VfioWords space = new() { ArgumentBytes = 12 };
        // SAFETY: the kernel reads and writes locals; the memory that they name stays as long as the machine.
        Demand(Calls.Ioctl(iommu, VfioAbi.IoasAlloc, (nuint)(&space)), IommuPath, address, "IOMMU_IOAS_ALLOC");
        _space = space.Third;
        foreach (DmaRange range in memory)
        {
            IommuIoasMap map = new() { ArgumentBytes = (uint)sizeof(IommuIoasMap), Flags = VfioAbi.IoasMapFlags, SpaceId = _space, Host = (ulong)range.Host, LengthBytes = range.LengthBytes, Address = range.Address };
            int result = Calls.Ioctl(iommu, VfioAbi.IoasMap, (nuint)(&map));
            if (result < 0) throw CannotMap(result, range.LengthBytes, address);
        }
        _iommu = iommu;
    }
}
