using System;

namespace Hutch.Devices.Pci;

/// <summary>
/// Function 00:00.0: the host bridge of a Q35 chipset (Intel 3 Series datasheet §5.1). A machine without firmware has its identity and PCIEXBAR, read-only;
/// firmware finds the programmable attribute maps and SMRAM too. There is no system management mode behind SMRAM.
/// </summary>
internal sealed class PciHostBridge : PciFunction
{
    /// <summary>First of the seven programmable attribute maps (§5.1.14 to §5.1.20).</summary>
    internal const int Pam0 = 0x90;

    /// <summary>How many there are.</summary>
    internal const int PamCount = 7;

    private const int PciExBar = 0x60, Smram = 0x9d, ExtendedSmram = 0x9e;
    private const uint EcamEnable = 1, EcamLength256 = 0;
    private const uint EcamBase = 0xf000_0000;
    private const byte PamBits = 0x33, SmramBits = 0x68, SmramPowerOn = 0x02, ExtendedSmramPowerOn = 0x38;

    private PciBus? _bus;
    private Action? _mapsChanged;

    internal PciHostBridge() : base("host bridge", new PciIdentity(0x8086, 0x29c0, 0x060000, SubsystemVendor: 0x1af4, Subsystem: 0x1100)) =>
        Put32(PciExBar, (uint)PciWindows.EcamStart | EcamEnable | EcamLength256);

    /// <summary>Gives the guest the registers that firmware needs. Before the machine runs.</summary>
    /// <param name="bus">The bus whose memory-mapped configuration space PCIEXBAR places.</param>
    /// <param name="mapsChanged">Called when an attribute map may have changed, under the bus's configuration lock.</param>
    internal void ServeFirmware(PciBus bus, Action mapsChanged)
    {
        (_bus, _mapsChanged) = (bus, mapsChanged);
        MakeWritable(PciExBar, (byte)EcamEnable);
        MakeWritable(PciExBar + 3, (byte)(EcamBase >> 24));
        for (int i = 0; i < PamCount; i++) MakeWritable(Pam0 + i, PamBits);
        MakeWritable(Smram, SmramBits);
        Put16(Smram, SmramPowerOn | ExtendedSmramPowerOn << 8);
        RememberPowerOn();
    }

    /// <summary>Copies the attribute maps, <see cref="PamCount"/> bytes.</summary>
    internal void ReadMaps(Span<byte> maps)
    {
        for (int i = 0; i < PamCount; i++) maps[i] = (byte)Get16(Pam0 + i);
    }

    /// <inheritdoc/>
    internal override bool WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        bool mapping = base.WriteConfig(offset, data);
        if (_bus is null) return mapping;
        int end = offset + data.Length;
        if (offset < PciExBar + 8 && end > PciExBar) PlaceEcam();
        if (offset < Pam0 + PamCount && end > Pam0) _mapsChanged!();
        return mapping;
    }

    /// <inheritdoc/>
    internal override void ResetConfig()
    {
        base.ResetConfig();
        if (_bus is null) return;
        PlaceEcam();
        _mapsChanged!();
    }

    /// <inheritdoc/>
    internal override void OnRestored()
    {
        if (_bus is not null) PlaceEcam();
    }

    private void PlaceEcam()
    {
        uint value = Get32(PciExBar);
        _bus!.MoveEcam((value & EcamEnable) == 0 ? null : value & EcamBase);
    }
}
