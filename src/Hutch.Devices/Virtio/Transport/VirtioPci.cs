using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using static Hutch.Devices.Virtio.Transport.VirtioPciRegisters;

namespace Hutch.Devices.Virtio.Transport;

/// <summary>
/// A virtio device as a modern PCI function (virtio 1.2 §4.1): the register BAR, the capabilities that describe it, MSI-X or INTx.
/// <para>Locks, outermost first: the bus's configuration lock, <c>_registers</c>, then <c>_isrLock</c> or the MSI-X table's. The device's
/// worker takes only the last two, because a reset holds the first two while it waits for the worker.</para>
/// </summary>
internal sealed class VirtioPci : PciFunction, IBusDevice, IVirtioTransport, IDevice
{
    private readonly VirtioDevice _device;
    private readonly PciBus _bus;
    private readonly Msix _msix;
    private readonly VirtioCommonConfig _common;
    private readonly Lock _registers = new();
    private readonly Lock _isrLock = new();
    private readonly int _pciConfigCapability;
    private readonly Doorbells? _doorbells;
    private int _isr;
    private bool _started;

    private VirtioPci(VirtioDevice device, MachineServices services)
        : base(device.Name, new PciIdentity(Vendor, (ushort)(FirstModernDevice + device.DeviceType), device.PciClass, ModernRevision,
            Vendor, (ushort)(FirstModernDevice + device.DeviceType)))
    {
        _device = device;
        _bus = services.Pci ?? throw new ConfigException($"Device \"{device.Name}\" needs a PCI bus; list the platform before it.");
        _msix = UseMsix(device.Queues.Length + 1, MsixBar, services.Interrupts);
        _common = new VirtioCommonConfig(device, _msix);
        device.Transport = this;
        if (services.Doorbells is not null) _doorbells = new Doorbells(services.Doorbells, device);

        AddBar(RegisterBar, PciBarKind.Memory64, BarBytes, this);
        UseInterruptPin();
        AddStructure(CapabilityCommon, (uint)CommonOffset, CommonBytes);
        AddStructure(CapabilityIsr, (uint)IsrOffset, 1);
        AddStructure(CapabilityDevice, (uint)DeviceOffset, (uint)PageBytes);
        AddStructure(CapabilityNotify, (uint)NotifyOffset, NotifyMultiplier * (uint)device.Queues.Length, NotifyMultiplier);
        _pciConfigCapability = AddPciConfigCapability();
        AddExpressCapability();
        _ = _bus.Add(this);
    }

    /// <summary>Puts <paramref name="device"/> on the machine's PCI bus and owns it, also when that fails. Throws <see cref="ConfigException"/>.</summary>
    internal static VirtioPci Create(VirtioDevice device, MachineServices services)
    {
        try
        {
            return new VirtioPci(device, services);
        }
        catch
        {
            device.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    string Hutch.Core.State.IStateUnit.Name => _device.Name;

    /// <inheritdoc/>
    public void Start()
    {
        if (!_started) _device.Start();
        _started = true;
    }

    /// <inheritdoc/>
    public void Stop()
    {
        if (_started) _device.Stop();
        _started = false;
    }

    /// <inheritdoc/>
    public void Reset()
    {
        lock (_registers) ResetDevice(machineReset: true);
        _msix.Reset();
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields)
    {
        fields.Group("pci", group => _bus.Exchange(this, group));
        fields.Group("msix", _msix.Exchange);
        lock (_registers)
        {
            fields.Group("common", _common.Exchange);
            fields.Group("device", _device.Exchange);
        }
        lock (_isrLock)
        {
            fields.Value("isr", ref _isr, 0, IsrQueue | IsrConfig);
            UpdateLine();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _doorbells?.Disconnect();
        _device.Dispose();
    }

    /// <inheritdoc/>
    public void InterruptQueue(int queue)
    {
        if (_msix.IsEnabled) _msix.Signal(_common.QueueVector(queue));
        else RaiseIsr(IsrQueue);
    }

    /// <inheritdoc/>
    public void InterruptConfig()
    {
        _common.NextGeneration();
        RaiseIsr(IsrConfig);
        if (_msix.IsEnabled) _msix.Signal(_common.ConfigVector);
    }

    /// <inheritdoc/>
    public void NeedsReset()
    {
        if (_common.MarkNeedsReset()) InterruptConfig();
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        if (offset >= BarBytes) return BusStatus.BadOffset;
        ulong within = offset % PageBytes;
        switch (offset - within)
        {
            case CommonOffset:
                lock (_registers) _common.Read((int)within, data);
                break;
            case IsrOffset:
                data.Clear();
                if (within == 0) data[0] = TakeIsr();
                break;
            case DeviceOffset:
                lock (_registers) _device.ReadConfig(within, data);
                break;
            default:
                data.Clear();
                break;
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        if (offset >= BarBytes) return BusStatus.BadOffset;
        ulong within = offset % PageBytes;
        switch (offset - within)
        {
            case NotifyOffset:
                // Every queue has its own address, so that the value says nothing new. A kick before DRIVER_OK is harmless.
                if (within / NotifyMultiplier < (ulong)_device.Queues.Length) _device.Kick((int)(within / NotifyMultiplier));
                break;
            case CommonOffset:
                WriteCommon((int)within, data);
                break;
            case DeviceOffset:
                lock (_registers) _device.WriteConfig(within, data);
                break;
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    internal override void ReadConfig(int offset, Span<byte> data)
    {
        // pci_cfg_data: a window into the BAR for software that cannot map it (§4.1.4.9).
        if (offset == _pciConfigCapability + 16 && PciConfigTarget(data.Length) is ulong target)
        {
            if (Read(target, data) != BusStatus.Handled) data.Fill(0xff);
            return;
        }
        base.ReadConfig(offset, data);
    }

    /// <inheritdoc/>
    internal override bool WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        if (offset == _pciConfigCapability + 16 && PciConfigTarget(data.Length) is ulong target)
        {
            _ = Write(target, data);
            return false;
        }
        return base.WriteConfig(offset, data);
    }

    /// <inheritdoc/>
    private protected override void OnMsixControl()
    {
        lock (_isrLock) UpdateLine();
    }

    /// <inheritdoc/>
    private protected override void OnMoved(PciBar bar, BusRegion region)
    {
        if (bar.Index == RegisterBar) _doorbells?.Place(region.IsMapped ? region.Start + NotifyOffset : null);
    }

    private void WriteCommon(int offset, ReadOnlySpan<byte> data)
    {
        lock (_registers)
        {
            if (offset == DeviceStatus && data.Length == 1 && data[0] == 0) ResetDevice(machineReset: false);
            else _common.Write(offset, data);
        }
    }

    private void ResetDevice(bool machineReset)
    {
        _common.Reset(machineReset);
        _ = TakeIsr();
    }

    private void RaiseIsr(int bit)
    {
        lock (_isrLock)
        {
            _isr |= bit;
            UpdateLine();
        }
    }

    private byte TakeIsr()
    {
        lock (_isrLock)
        {
            byte value = (byte)_isr;
            _isr = 0;
            UpdateLine();
            return value;
        }
    }

    // With MSI-X on, the function must not use its pin (PCI Express Base 5.0 §6.1.4.3).
    private void UpdateLine() => SetInterrupt(_isr != 0 && !_msix.IsEnabled);

    private void AddStructure(byte type, uint offset, uint length, uint? multiplier = null)
    {
        Span<byte> body = stackalloc byte[18];
        body.Clear();
        body[0] = (byte)(multiplier is null ? 16 : 20);
        body[1] = type;
        body[2] = RegisterBar;
        BinaryPrimitives.WriteUInt32LittleEndian(body[6..], offset);
        BinaryPrimitives.WriteUInt32LittleEndian(body[10..], length);
        BinaryPrimitives.WriteUInt32LittleEndian(body[14..], multiplier ?? 0);
        AddCapability(PciRegisters.CapabilityVendor, body[..(multiplier is null ? 14 : 18)]);
    }

    private int AddPciConfigCapability()
    {
        Span<byte> body = stackalloc byte[18];
        Span<byte> writable = stackalloc byte[18];
        body.Clear();
        writable.Clear();
        body[0] = 20;
        body[1] = CapabilityPciConfig;
        writable[2] = 0xff;                 // bar
        writable[6..14].Fill(0xff);         // offset, length
        return AddCapability(PciRegisters.CapabilityVendor, body, writable);
    }

    // The place in the register BAR that the window shows now; null while the driver programmed it for nothing that exists.
    private ulong? PciConfigTarget(int accessLength)
    {
        uint offset = Get32(_pciConfigCapability + 8), length = Get32(_pciConfigCapability + 12);
        bool sound = (byte)Get32(_pciConfigCapability + 4) == RegisterBar && length is 1 or 2 or 4 && accessLength >= (int)length
            && offset % length == 0 && offset <= BarBytes - length;
        return sound && accessLength == (int)length ? offset : null;
    }
}
