using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Hutch.Host.Memory;

namespace Hutch.Host.Vfio;

/// <summary>A region of a device: a BAR (0 to 5), the ROM, configuration space.</summary>
/// <param name="LengthBytes">Its length; 0: the device has none.</param>
/// <param name="Offset">Where it is in the device's file.</param>
/// <param name="CanMap">It can be mapped.</param>
public readonly record struct VfioRegion(ulong LengthBytes, ulong Offset, bool CanMap);

/// <summary>A PCI function of the host that this process has for itself (linux/vfio.h). Disposing it gives it back. Any thread.</summary>
public sealed unsafe class VfioFunction : IDisposable
{
    /// <summary>Numbers of regions: those of BARs are 0 to 5.</summary>
    public const int RomRegion = 6, ConfigRegion = 7;

    /// <summary>Numbers of kinds of interrupts.</summary>
    public const int IntxIrq = 0, MsiIrq = 1, MsixIrq = 2;

    private readonly IDeviceCalls _calls;
    private readonly int _fd;
    private readonly Action _closed;
    private readonly VfioRegion[] _regions = new VfioRegion[ConfigRegion + 1];
    private readonly int[] _irqs = new int[MsixIrq + 1];
    private readonly List<(nint Address, nuint LengthBytes)> _maps = [];
    private readonly bool _canReset;
    private int _isClosed;

    internal VfioFunction(IDeviceCalls calls, int fd, string address, Action closed)
    {
        (_calls, _fd, _closed, Address) = (calls, fd, closed, address);
        VfioDeviceInfo info = new() { ArgumentBytes = (uint)sizeof(VfioDeviceInfo) };
        // SAFETY: here and below the kernel reads and writes locals of the length that they say.
        if (calls.Ioctl(fd, VfioAbi.DeviceGetInfo, (nuint)(&info)) < 0 || (info.Flags & VfioAbi.DeviceIsPci) == 0 || info.RegionCount <= ConfigRegion)
        {
            calls.Close(fd);
            throw new VfioException($"{address} is no PCI device to VFIO; bind it to vfio-pci and to no other driver of VFIO.");
        }
        _canReset = (info.Flags & VfioAbi.DeviceCanReset) != 0;
        for (int i = 0; i < _regions.Length; i++)
        {
            VfioRegionInfo region = new() { ArgumentBytes = (uint)sizeof(VfioRegionInfo), Index = (uint)i };
            if (calls.Ioctl(fd, VfioAbi.DeviceGetRegion, (nuint)(&region)) >= 0) _regions[i] = new VfioRegion(region.LengthBytes, region.Offset, (region.Flags & VfioAbi.RegionCanMap) != 0);
        }
        for (int i = 0; i < _irqs.Length; i++)
        {
            VfioIrqInfo irq = new() { ArgumentBytes = (uint)sizeof(VfioIrqInfo), Index = (uint)i };
            if (calls.Ioctl(fd, VfioAbi.DeviceGetIrq, (nuint)(&irq)) >= 0) _irqs[i] = (int)Math.Min(irq.Count, ushort.MaxValue);
        }
    }

    /// <summary>Its address on the host.</summary>
    public string Address { get; }

    /// <summary>A region.</summary>
    public VfioRegion Region(int index) => _regions[index];

    /// <summary>How many interrupts of a kind it has.</summary>
    public int IrqCount(int index) => _irqs[index];

    /// <summary>Reads registers; all ones where the device does not answer.</summary>
    public void Read(int region, ulong offset, Span<byte> data)
    {
        if (!Fits(region, offset, data.Length) || _calls.Read(_fd, data, (long)(_regions[region].Offset + offset)) != data.Length) data.Fill(0xff);
    }

    /// <summary>Writes registers; nothing where the device does not answer.</summary>
    public void Write(int region, ulong offset, ReadOnlySpan<byte> data)
    {
        if (Fits(region, offset, data.Length)) _ = _calls.Write(_fd, data, (long)(_regions[region].Offset + offset));
    }

    /// <summary>Maps a part of a region, in whole pages; null: the host does not have it mapped. It goes with this object.</summary>
    public MappedRegion? Map(int region, ulong offset, ulong lengthBytes)
    {
        if (!_regions[region].CanMap || offset > _regions[region].LengthBytes || lengthBytes > _regions[region].LengthBytes - offset) return null;
        nint start = _calls.Map(_fd, (nuint)lengthBytes, (nint)(_regions[region].Offset + offset));
        // -errno: the last page of the address space is nobody's.
        if (start is < 0 and >= -4095) return null;
        _maps.Add((start, (nuint)lengthBytes));
        return MappedRegion.Show(start, lengthBytes);
    }

    /// <summary>From now on each interrupt of a kind signals its event (VFIO_DEVICE_SET_IRQS). False: the host refuses; then there are none.</summary>
    public bool SetEvents(int irq, ReadOnlySpan<EventFd> events)
    {
        Span<int> message = stackalloc int[(sizeof(VfioIrqSet) / sizeof(int)) + events.Length];
        for (int i = 0; i < events.Length; i++) message[(sizeof(VfioIrqSet) / sizeof(int)) + i] = events[i].Descriptor;
        return SetIrqs(message, VfioAbi.IrqEvents | VfioAbi.IrqTrigger, irq, events.Length);
    }

    /// <summary>No more interrupts of a kind.</summary>
    public void ClearEvents(int irq) => SetIrqs(stackalloc int[sizeof(VfioIrqSet) / sizeof(int)], VfioAbi.IrqNoData | VfioAbi.IrqTrigger, irq, 0);

    /// <summary>Lets the pin interrupt again, which the host masks with each interrupt.</summary>
    public void UnmaskPin() => SetIrqs(stackalloc int[sizeof(VfioIrqSet) / sizeof(int)], VfioAbi.IrqNoData | VfioAbi.IrqUnmask, IntxIrq, 1);

    /// <summary>Resets it, if the host can do that.</summary>
    public void Reset()
    {
        if (_canReset) _ = _calls.Ioctl(_fd, VfioAbi.DeviceReset, 0);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) != 0) return;
        foreach ((nint address, nuint length) in _maps) _calls.Unmap(address, length);
        _calls.Close(_fd);
        _closed();
    }

    private bool Fits(int region, ulong offset, int length) => offset <= _regions[region].LengthBytes && (ulong)length <= _regions[region].LengthBytes - offset;

    private bool SetIrqs(Span<int> message, uint flags, int irq, int count)
    {
        Span<VfioIrqSet> header = MemoryMarshal.Cast<int, VfioIrqSet>(message);
        header[0] = new VfioIrqSet { ArgumentBytes = (uint)(message.Length * sizeof(int)), Flags = flags, Index = (uint)irq, Count = (uint)count };
        // SAFETY: the message stays where it is during the call, and says its length.
        fixed (int* start = message) return _calls.Ioctl(_fd, VfioAbi.DeviceSetIrqs, (nuint)start) >= 0;
    }
}
