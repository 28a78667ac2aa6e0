namespace Hutch.Core.Bus;

/// <summary>A named range that belongs to one device; the place can change while the guest runs (BARs).</summary>
public sealed class BusRegion
{
    private readonly AddressBus _bus;

    internal BusRegion(AddressBus bus, string name, ulong lengthBytes, IBusDevice device)
    {
        _bus = bus;
        Name = name;
        LengthBytes = lengthBytes;
        Device = device;
    }

    /// <summary>Name for traces, for example <c>virtio-blk0 bar4</c>.</summary>
    public string Name { get; }

    /// <summary>Length in bytes.</summary>
    public ulong LengthBytes { get; }

    /// <summary>First address while mapped.</summary>
    public ulong Start { get; private set; }

    /// <summary>Whether the region is on the bus now.</summary>
    public bool IsMapped { get; private set; }

    internal IBusDevice Device { get; }

    /// <summary>Places or moves the region. False, and then unmapped, where it would overlap another: a guest may program that.</summary>
    public bool MapAt(ulong start) => LengthBytes != 0 && start <= ulong.MaxValue - (LengthBytes - 1) && _bus.Place(this, start);

    /// <summary>Takes the region off the bus.</summary>
    public void Unmap() => _bus.Remove(this);

    /// <summary>
    /// Brings the region to where it is to be, or off the bus for null; a place that would overlap another leaves it off. True: it was not there already.
    /// </summary>
    public bool MoveTo(ulong? start)
    {
        if (start is ulong place ? IsMapped && Start == place : !IsMapped) return false;
        if (start is null) Unmap();
        else _ = MapAt(start.Value);
        return true;
    }

    internal void SetPlace(ulong? start)
    {
        IsMapped = start is not null;
        Start = start ?? 0;
    }
}
