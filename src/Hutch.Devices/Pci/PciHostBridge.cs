using System;
using Hutch.Model.Machine;

namespace Hutch.Devices.Pci;

/// <summary>
/// Function 00:00.0: the host bridge of a Q35 chipset (Intel 3 Series datasheet §5.1), or an i440FX (Intel 82441FX data sheet §3.2), which has the same maps elsewhere and no
/// PCIEXBAR. A machine without firmware has its identity and PCIEXBAR, read-only; firmware finds the programmable attribute maps and SMRAM too. There is no system
/// management mode behind SMRAM.
/// </summary>
internal sealed class PciHostBridge : PciFunction
{
    /// <summary>How many there are.</summary>
    internal const int PamCount = 7;

    // Places of the first attribute map (§5.1.14; 82441FX §3.2.13) and of SMRAM (§5.1.23; 82441FX §3.2.21).
    private const int PciExBar = 0x60, Q35Maps = 0x90, Q35Smram = 0x9d, I440FxMaps = 0x59, I440FxSmram = 0x72;
    private const uint EcamEnable = 1, EcamLength256 = 0;
    private const uint EcamBase = 0xf000_0000;
    private const byte PamBits = 0x33, SmramBits = 0x68, SmramPowerOn = 0x02, ExtendedSmramPowerOn = 0x38;

    private readonly bool _hasEcam;
    private readonly int _maps;
    private PciBus? _bus;
    private Action? _mapsChanged;

    internal PciHostBridge(MachineKind machine)
        : base("host bridge", machine == MachineKind.Q35 ? new PciIdentity(0x8086, 0x29c0, 0x060000, SubsystemVendor: 0x1af4, Subsystem: 0x1100)
            : new PciIdentity(0x8086, 0x1237, 0x060000, Revision: 2, SubsystemVendor: 0x1af4, Subsystem: 0x1100))
    {
        _hasEcam = machine == MachineKind.Q35;
        _maps = _hasEcam ? Q35Maps : I440FxMaps;
        if (_hasEcam) Put32(PciExBar, (uint)PciWindows.EcamStart | EcamEnable | EcamLength256);
    }

    /// <summary>Gives the guest the registers that firmware needs. Before the machine runs.</summary>
    /// <param name="bus">The bus whose memory-mapped configuration space PCIEXBAR places.</param>
    /// <param name="mapsChanged">Called when an attribute map may have changed, under the bus's configuration lock.</param>
    internal void ServeFirmware(PciBus bus, Action mapsChanged)
    {
        (_bus, _mapsChanged) = (bus, mapsChanged);
        for (int i = 0; i < PamCount; i++) MakeWritable(_maps + i, PamBits);
        MakeWritable(_hasEcam ? Q35Smram : I440FxSmram, SmramBits);
        if (_hasEcam)
        {
            MakeWritable(PciExBar, (byte)EcamEnable);
            MakeWritable(PciExBar + 3, (byte)(EcamBase >> 24));
            Put16(Q35Smram, SmramPowerOn | ExtendedSmramPowerOn << 8);
        }
        else Put16(I440FxSmram, SmramPowerOn);
        RememberPowerOn();
    }

    /// <summary>Copies the attribute maps, <see cref="PamCount"/> bytes.</summary>
    internal void ReadMaps(Span<byte> maps)
    {
        for (int i = 0; i < PamCount; i++) maps[i] = (byte)Get16(_maps + i);
    }

    /// <inheritdoc/>
    internal override bool WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        bool mapping = base.WriteConfig(offset, data);
        if (_bus is null) return mapping;
        if (offset < _maps + PamCount && offset + data.Length > _maps) _mapsChanged!();
        return mapping;
    }

    /// <inheritdoc/>
    internal override void ResetConfig()
    {
        base.ResetConfig();
        _mapsChanged?.Invoke();
    }

    /// <inheritdoc/>
    internal override void OnConfigChanged()
    {
        if (_bus is null || !_hasEcam) return;
        uint value = Get32(PciExBar);
        _bus.MoveEcam((value & EcamEnable) == 0 ? null : value & EcamBase);
    }
}
