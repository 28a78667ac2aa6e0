using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>
/// VFIO in this process (linux/vfio.h, linux/iommufd.h), with one network card that does nothing, and a folder in the place of sysfs. Its numbers are written out, so that it holds those of
/// the program too. What is asked of it is kept.
/// </summary>
internal sealed class FakeVfio : IDeviceCalls, IDisposable
{
    /// <summary>Address of the card, and of the other device of its group.</summary>
    internal const string Address = "0000:01:00.0", Other = "0000:01:00.1";

    /// <summary>Where its capabilities are, and the table of MSI-X in BAR 0. The last capability is one that no guest is to see.</summary>
    internal const int Power = 0x40, Msi = 0x50, Msix = 0x70, Vendor = 0x80, Express = 0xa0, Hidden = 0xe0, Table = 0x2000, Vectors = 5;

    private const int Container = 100, Group = 101, Iommu = 102, Device = 103, ConfigRegion = 7, NoEntry = -2;
    private static readonly int[] Lengths = [0x4000, 0, 0x10000, 0, 0x20, 0, 0x1000, 0x100];

    private readonly Dictionary<nint, nint> _maps = [];
    private readonly FuzzReach? _reach;

    /// <summary>Makes the card, and the folder to look like sysfs.</summary>
    internal FakeVfio(string root, bool hasNode = false, FuzzReach? reach = null)
    {
        _reach = reach;
        (Root, HasNode) = (root, hasNode);
        Regions = [.. Lengths.Select(static length => new byte[length])];
        FillConfig(Regions[ConfigRegion]);
        (Regions[6][0], Regions[6][1], Regions[6][2]) = (0x55, 0xaa, 1);
        foreach (string address in (string[])[Address, Other])
        {
            string folder = Directory.CreateDirectory(Path.Combine(root, "sys/bus/pci/devices", address)).FullName;
            Directory.CreateDirectory(Path.Combine(root, "sys/kernel/iommu_groups/7/devices", address));
            File.CreateSymbolicLink(Path.Combine(folder, "iommu_group"), "../../../../kernel/iommu_groups/7");
            if (hasNode) Directory.CreateDirectory(Path.Combine(folder, "vfio-dev", "vfio3"));
        }
        Bind(Address, "vfio-pci");
    }

    /// <summary>The folder that is the root of sysfs.</summary>
    internal string Root { get; }

    /// <summary>The kernel has a file for each device.</summary>
    internal bool HasNode { get; }

    /// <summary>What the device's regions hold.</summary>
    internal byte[][] Regions { get; }

    /// <summary>errno of open(2) by path.</summary>
    internal Dictionary<string, int> Refused { get; } = [];

    /// <summary>A request that fails, with its errno.</summary>
    internal (uint Request, int Errno)? Refuses { get; set; }

    internal bool IsViable { get; set; } = true;

    /// <summary>Files that are open.</summary>
    internal List<string> Opened { get; } = [];

    /// <summary>Descriptors that were not closed.</summary>
    internal int Held { get; private set; }

    /// <summary>Parts of regions that are mapped, by their offset in the file.</summary>
    internal List<(long Offset, int Length)> Mapped { get; } = [];

    /// <summary>Memory that the device reaches.</summary>
    internal List<(ulong Address, ulong Host, ulong Length)> Dma { get; } = [];

    /// <summary>Every VFIO_DEVICE_SET_IRQS: kind, flags, and the events in it.</summary>
    internal List<(int Irq, uint Flags, int Count, int[] Events)> Irqs { get; } = [];

    /// <summary>Writes to configuration space.</summary>
    internal List<(int Offset, byte[] Data)> ConfigWrites { get; } = [];

    internal int Resets { get; private set; }

    /// <summary>Binds a device to a driver of the host; empty: to none.</summary>
    internal void Bind(string address, string driver)
    {
        foreach (string folder in (string[])["sys/bus/pci/devices", "sys/kernel/iommu_groups/7/devices"])
        {
            string link = Path.Combine(Root, folder, address, "driver");
            File.Delete(link);
            if (driver.Length != 0) File.CreateSymbolicLink(link, "../../../../bus/pci/drivers/" + driver);
        }
    }

    /// <summary>Signals the event that a kind's interrupt was last given, if there is one.</summary>
    internal void Interrupt(int irq, int vector = 0)
    {
        int at = Irqs.FindLastIndex(each => each.Irq == irq && (each.Flags & 32) != 0);
        if (at < 0 || vector >= Irqs[at].Events.Length) return;
        using SafeFileHandle handle = new(Irqs[at].Events[vector], ownsHandle: false);
        using FileStream stream = new(handle, FileAccess.Write, bufferSize: 0);
        stream.Write(BitConverter.GetBytes(1UL));
    }

    /// <inheritdoc/>
    public int Open(string path)
    {
        if (Refused.TryGetValue(path, out int errno)) return -errno;
        int fd = path switch
        {
            "/dev/vfio/vfio" => Container,
            "/dev/vfio/7" => Group,
            "/dev/iommu" when HasNode => Iommu,
            "/dev/vfio/devices/vfio3" when HasNode => Device,
            _ => NoEntry,
        };
        if (fd < 0) return fd;
        Opened.Add(path);
        Held++;
        return fd;
    }

    /// <inheritdoc/>
    public int Ioctl(int fd, uint request, nuint argument)
    {
        if (Refuses is { } refusal && refusal.Request == request) return -refusal.Errno;
        nint at = (nint)argument;
        switch (fd, request)
        {
            case (Container, 0x3b64): return 0;
            case (Container, 0x3b65): return argument == 3 ? 1 : 0;
            case (Container, 0x3b66): return argument == 3 ? 0 : -22;
            case (Container, 0x3b71): Dma.Add((Word(at, 16), Word(at, 8), Word(at, 24))); return Marshal.ReadInt32(at) == 32 ? 0 : -22;
            case (Group, 0x3b67): Marshal.WriteInt32(at, 4, IsViable ? 1 : 0); return 0;
            case (Group, 0x3b68): return Marshal.ReadInt32(at) == Container ? 0 : -22;
            case (Group, 0x3b6a): Held++; return Marshal.PtrToStringAnsi(at) == Address ? Device : -19;
            case (Iommu, 0x3b81): Marshal.WriteInt32(at, 8, 44); return Marshal.ReadInt32(at) == 12 ? 0 : -22;
            case (Iommu, 0x3b85): Dma.Add((Word(at, 32), Word(at, 16), Word(at, 24))); return Marshal.ReadInt32(at) == 40 && Marshal.ReadInt32(at, 4) == 7 && Marshal.ReadInt32(at, 8) == 44 ? 0 : -22;
            case (Device, 0x3b76): return Marshal.ReadInt32(at, 8) == Iommu ? 0 : -22;
            case (Device, 0x3b77): return Marshal.ReadInt32(at, 8) == 44 ? 0 : -22;
            case (Device, _): return OnDevice(request, at);
            default: return -25;
        }
    }

    /// <inheritdoc/>
    public nint Map(int fd, nuint lengthBytes, nint offset)
    {
        Mapped.Add((offset, (int)lengthBytes));
        nint start = Marshal.AllocHGlobal((nint)lengthBytes + 4096);
        _maps.Add((start + 4095) & ~4095, start);
        return (start + 4095) & ~4095;
    }

    /// <inheritdoc/>
    public void Unmap(nint address, nuint lengthBytes)
    {
        if (_maps.Remove(address, out nint start)) Marshal.FreeHGlobal(start);
    }

    /// <inheritdoc/>
    public int Read(int fd, Span<byte> data, long offset)
    {
        Regions[offset >> 40].AsSpan((int)offset, data.Length).CopyTo(data);
        return data.Length;
    }

    /// <inheritdoc/>
    public int Write(int fd, ReadOnlySpan<byte> data, long offset)
    {
        if (offset >> 40 == ConfigRegion) ConfigWrites.Add(((int)offset, data.ToArray()));
        data.CopyTo(Regions[offset >> 40].AsSpan((int)offset));
        return data.Length;
    }

    /// <inheritdoc/>
    public void Close(int fd) => Held--;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (nint address in _maps.Keys.ToArray()) Unmap(address, 0);
    }

    private static ulong Word(nint at, int offset) => (ulong)Marshal.ReadInt64(at, offset);

    private int OnDevice(uint request, nint at)
    {
        int index = at == 0 ? 0 : Marshal.ReadInt32(at, 8);
        switch (request)
        {
            case 0x3b6b:
                Marshal.WriteInt32(at, 4, 3);
                Marshal.WriteInt32(at, 8, 9);
                Marshal.WriteInt32(at, 12, 5);
                return 0;
            case 0x3b6c:
                Marshal.WriteInt32(at, 4, index is 0 or 2 ? 7 : 3);
                Marshal.WriteInt64(at, 16, Regions[index].Length);
                Marshal.WriteInt64(at, 24, (long)index << 40);
                return 0;
            case 0x3b6d: Marshal.WriteInt32(at, 12, index switch { 0 => 1, 1 => 8, 2 => Vectors, _ => 0 }); return 0;
            case 0x3b6e: return SetIrqs(at, index);
            case 0x3b6f: Resets++; return 0;
            default: return -25;
        }
    }

    private int SetIrqs(nint at, int irq)
    {
        uint flags = (uint)Marshal.ReadInt32(at, 4);
        int count = Marshal.ReadInt32(at, 16);
        int[] events = (flags & 4) == 0 ? [] : [.. Enumerable.Range(0, count).Select(i => Marshal.ReadInt32(at, 20 + (4 * i)))];
        if (Marshal.ReadInt32(at) != 20 + (4 * events.Length)) return -22;
        Irqs.Add((irq, flags, count, events));
        _reach?.Out();
        return 0;
    }

    private static void FillConfig(Span<byte> config)
    {
        Put(config, 0x00, 0x1533_8086);
        Put(config, 0x04, 0x0010_0000);
        Put(config, 0x08, 0x0200_0003);
        Put(config, 0x18, 0x0000_000c);
        Put(config, 0x20, 0x0000_0001);
        Put(config, 0x2c, 0x0001_1028);
        config[0x34] = Power;
        config[0x3d] = 1;
        Put(config, Power, 0x0003_0001 | Msi << 8);
        Put(config, Power + 4, 8 | 3);
        Put(config, Msi, 0x0186_0005 | (Hidden << 8));
        Put(config, Hidden, 0x0000_0014 | (Msix << 8));
        Put(config, Msix, (uint)(0x11 | (Vendor << 8) | ((Vectors - 1) << 16)));
        Put(config, Msix + 4, Table);
        Put(config, Msix + 8, Table + 0x1000);
        Put(config, Vendor, 0x0010_0009 | (Express << 8));
        Put(config, Express, 0x0002_0010);
        Put(config, Express + 0x0c, 0x1234_5678);
    }

    private static void Put(Span<byte> config, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(config[offset..], value);
}
