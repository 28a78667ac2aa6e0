using System;
using System.Collections.Generic;
using System.Threading;

namespace Hutch.Core.Bus;

/// <summary>
/// One address space (ports or MMIO): an ordered, copy-on-write table of regions. Look-ups take no lock and do not allocate;
/// mapping changes are rare and serialised. Accesses that hit nothing read as all ones and are dropped on write.
/// </summary>
public sealed class AddressBus
{
    private readonly Lock _lock = new();
    private BusRegion[] _mapped = [];

    /// <summary>Creates a bus; the name appears in traces ("ports", "mmio").</summary>
    public AddressBus(string name) => Name = name;

    /// <summary>Name for traces.</summary>
    public string Name { get; }

    /// <summary>Names a range that is not placed yet: its owner, or the guest through a BAR, places it with <see cref="BusRegion.MapAt"/>.</summary>
    public BusRegion Reserve(string name, ulong lengthBytes, IBusDevice device) => new(this, name, lengthBytes, device);

    /// <summary>Reserves and maps in one step, for devices at a fixed address.</summary>
    public BusRegion Map(string name, ulong start, ulong lengthBytes, IBusDevice device)
    {
        BusRegion region = Reserve(name, lengthBytes, device);
        if (!region.MapAt(start)) throw new InvalidOperationException($"{Name}: {name} at 0x{start:x} overlaps {Find(start)?.Name ?? "another region"}.");
        return region;
    }

    /// <summary>Reads; unclaimed addresses and refused accesses read as ones.</summary>
    public void Read(ulong address, Span<byte> data)
    {
        BusRegion? region = Find(address);
        ulong offset = region is null ? 0 : address - region.Start;
        // The offset is looked at too: the region may have moved away since it was found.
        if (region is null || offset >= region.LengthBytes || (ulong)data.Length > region.LengthBytes - offset
            || region.Device.Read(offset, data) != BusStatus.Handled)
            data.Fill(0xff);
    }

    /// <summary>Writes; unclaimed addresses and refused accesses are dropped.</summary>
    public void Write(ulong address, ReadOnlySpan<byte> data)
    {
        BusRegion? region = Find(address);
        if (region is null) return;
        ulong offset = address - region.Start;
        if (offset < region.LengthBytes && (ulong)data.Length <= region.LengthBytes - offset) _ = region.Device.Write(offset, data);
    }

    /// <summary>The region that holds <paramref name="address"/>, or null.</summary>
    public BusRegion? Find(ulong address)
    {
        BusRegion[] mapped = Volatile.Read(ref _mapped);
        int low = 0, high = mapped.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >>> 1;
            BusRegion region = mapped[middle];
            if (address < region.Start) high = middle - 1;
            else if (address - region.Start >= region.LengthBytes) low = middle + 1;
            else return region;
        }
        return null;
    }

    /// <summary>The mapped regions in address order, for the inspect tree and tests.</summary>
    public IReadOnlyList<BusRegion> Regions => Volatile.Read(ref _mapped);

    internal bool Place(BusRegion region, ulong start)
    {
        lock (_lock)
        {
            List<BusRegion> table = [.. _mapped];
            table.Remove(region);
            foreach (BusRegion other in table)
                if (start <= other.Start + (other.LengthBytes - 1) && other.Start <= start + (region.LengthBytes - 1))
                {
                    Publish(table, region);
                    return false;
                }
            region.SetPlace(start);
            table.Add(region);
            table.Sort(static (a, b) => a.Start.CompareTo(b.Start));
            Volatile.Write(ref _mapped, [.. table]);
            return true;
        }
    }

    internal void Remove(BusRegion region)
    {
        lock (_lock) Publish([.. _mapped], region);
    }

    private void Publish(List<BusRegion> table, BusRegion removed)
    {
        table.Remove(removed);
        removed.SetPlace(null);
        Volatile.Write(ref _mapped, [.. table]);
    }
}
