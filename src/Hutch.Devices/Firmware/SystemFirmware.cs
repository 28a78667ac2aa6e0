using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Chipset;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;

namespace Hutch.Devices.Firmware;

/// <summary>
/// Firmware and what it runs on: its image below 4 GiB, the range below 1 MiB where its end is seen too, the flash chip with its variables, the LPC bridge, the host
/// bridge's registers, and the device that tells it of the machine.
/// </summary>
internal sealed class SystemFirmware : IDevice, IFirmware
{
    // As much of the image as the ISA bus shows.
    private const int LegacyBytes = 128 << 10;

    private readonly PciBus _pci;
    private readonly LpcBridge? _lpc;
    private readonly PmBlock _pm;
    private readonly ShadowRam _shadow;
    private readonly FlashChip? _variables;
    private readonly FwCfg _configuration;
    private readonly FirmwareConfig _config;
    private readonly MachineServices _services;
    private FirmwareContents? _contents;

    /// <summary>Puts everything into the machine. Owns <paramref name="variables"/>.</summary>
    internal SystemFirmware(FirmwareConfig config, Platform platform, MachineServices services, byte[] image, FlashChip? variables)
    {
        (_config, _services, _variables, _pci, _pm) = (config, services, variables, platform.Pci, platform.Pm);
        GuestMemory memory = services.Memory;
        memory.Layout.AddRom(GuestMemory.HighMemoryStart - (ulong)image.Length, (ulong)image.Length).Write(0, image);
        _shadow = new ShadowRam(memory, services.Mmio, image.AsSpan(Math.Max(0, image.Length - LegacyBytes)));
        if (_pci.Machine == MachineKind.Q35) _lpc = new LpcBridge(platform, services.Mmio);
        _pci.HostBridge.ServeFirmware(_pci, UpdateShadow);
        _configuration = new FwCfg(memory, services.Ports, OnSelected);
    }

    /// <inheritdoc/>
    public string Name => _config.Id;

    /// <inheritdoc/>
    public void Describe(MachineDefinition definition, ulong highWindowStart, ulong highWindowBytes)
    {
        _contents = new FirmwareContents(definition, _services.Memory, _pci, _pm, _services.CpuHotplug!, highWindowStart, highWindowBytes);
        _contents.Fill(_configuration.Items, _config, _services.BootDevices);
    }

    /// <inheritdoc/>
    public void Load()
    {
        _contents?.CountCpus(_configuration.Items);
        _shadow.Load();
    }

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() => _variables?.Flush();

    /// <inheritdoc/>
    public void Reset()
    {
        _configuration.Reset();
        _variables?.Reset();
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        if (_lpc is not null)
            fields.Group("lpc", group =>
            {
                _pci.Exchange(_lpc, group);
                _lpc.Exchange(group);
            });
        fields.Group("shadow", _shadow.Exchange);
        fields.Group("fw-cfg", _configuration.Exchange);
        if (_variables is not null) fields.Group("flash", _variables.Exchange);
    }

    /// <inheritdoc/>
    public void Dispose() => _variables?.Dispose();

    private void UpdateShadow()
    {
        Span<byte> maps = stackalloc byte[PciHostBridge.PamCount];
        _pci.HostBridge.ReadMaps(maps);
        _shadow.Update(maps);
    }

    // The tables tell where firmware has put things, so that they are made when it asks for them.
    private void OnSelected(ushort number)
    {
        if (_contents is not null && number == _configuration.Items.NumberOf(FirmwareContents.FreshName)) _contents.Refresh(_configuration.Items);
    }
}
