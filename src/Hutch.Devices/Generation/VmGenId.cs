using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Chipset;
using Hutch.Host.Files;
using Hutch.Model.Machine;

namespace Hutch.Devices.Generation;

/// <summary>
/// The generation identifier (Microsoft, Virtual Machine Generation ID, 2012): 16 bytes in read-only memory that are others when the guest is a copy of itself, and a
/// general-purpose event that says so. A guest that was restored would otherwise use the random numbers and names of its twin. A pause and a reset leave it.
/// </summary>
internal sealed class VmGenId : IDevice
{
    /// <summary>Where the identifier is; the DSDT tells it. Its page lies where no RAM is and PCI has no window.</summary>
    internal const ulong Address = MemoryLayout.RomWindowStart;

    /// <summary>The general-purpose event.</summary>
    internal const int GpeNumber = 5;

    private const int IdentifierBytes = 16;

    private readonly RomRegion _page;
    private readonly PmBlock _pm;

    // The event of a restored machine waits until it runs: what was restored is what was saved.
    private bool _isCopy;

    internal VmGenId(VmGenIdConfig config, MachineServices services)
    {
        Name = config.Id;
        _pm = services.Chipset?.Pm ?? throw new ConfigException($"Device \"{config.Id}\" needs the chipset; list the platform before it.");
        _page = GuestPage.Add(config.Id, Address, services);
        Span<byte> identifier = stackalloc byte[IdentifierBytes];
        if (config.First is Guid first) first.TryWriteBytes(identifier);
        else HostRandom.Fill(identifier);
        _page.Write(0, identifier);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public void Start()
    {
        if (_isCopy) _pm.RaiseGpe(GpeNumber);
        _isCopy = false;
    }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset() => _isCopy = false;

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        if (!fields.IsRestoring) return;
        Span<byte> identifier = stackalloc byte[IdentifierBytes];
        HostRandom.Fill(identifier);
        _page.Write(0, identifier);
        _isCopy = true;
    }

    /// <inheritdoc/>
    public void Dispose() { }
}
