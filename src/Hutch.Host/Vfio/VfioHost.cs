using System.Collections.Generic;
using System.IO;
using System.Threading;
using Hutch.Host.Linux;

namespace Hutch.Host.Vfio;

/// <summary>
/// The devices of the host that a machine has for itself (Linux Documentation/driver-api/vfio). They share what they reach of memory, which is set up with the first and given up with the
/// last. Any thread.
/// </summary>
/// <param name="calls">The system calls.</param>
/// <param name="root">Where sysfs is looked for: its folder <c>sys</c>.</param>
public sealed class VfioHost(IDeviceCalls calls, string root = "/")
{
    private readonly Lock _lock = new();
    private VfioAddressSpace? _space;
    private int _users;

    /// <summary>The machine has such a device.</summary>
    public bool IsInUse
    {
        get
        {
            lock (_lock) return _users != 0;
        }
    }

    /// <summary>Takes a device that is bound to vfio-pci. Throws <see cref="VfioException"/>.</summary>
    /// <param name="address">Its address, as in 0000:01:00.0.</param>
    /// <param name="memory">What it reaches, which must stay where it is until the device is given back. The same for every device.</param>
    public VfioFunction Open(string address, IReadOnlyList<DmaRange> memory)
    {
        VfioLocation device;
        try
        {
            device = VfioLocation.Find(root, address);
        }
        catch (IOException refused)
        {
            throw new VfioException($"{address} cannot be looked for in /sys: {refused.Message} Check that sysfs is mounted.");
        }
        lock (_lock)
        {
            _space ??= device.Node is not null && HasIommufd() ? new VfioIommufd(calls) : new VfioGroups(calls);
            _users++;
            try
            {
                return new VfioFunction(calls, _space.OpenDevice(device, memory), address, Release);
            }
            catch
            {
                Release();
                throw;
            }
        }
    }

    // The files of kernels that have devices of their own may still be hidden from a container, which then has the group.
    private bool HasIommufd()
    {
        int fd = calls.Open("/dev/iommu");
        if (fd >= 0) calls.Close(fd);
        return fd >= 0;
    }

    private void Release()
    {
        lock (_lock)
        {
            if (--_users != 0) return;
            _space?.Dispose();
            _space = null;
        }
    }
}
