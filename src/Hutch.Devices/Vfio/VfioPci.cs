using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Numerics;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Host.Vfio;
using static Hutch.Devices.Pci.PciRegisters;

namespace Hutch.Devices.Vfio;

/// <summary>
/// A PCI function of the host in the guest (Linux Documentation/driver-api/vfio; linux/vfio.h). Of configuration space the header, and what says where the device is, how it interrupts and
/// whether it has power, are made here; the rest is the device's own. The device decodes its registers all the time: what the guest switches off is its own view. Locks, outermost first:
/// the bus's configuration lock, then those of the interrupts.
/// </summary>
internal sealed class VfioPci : PciFunction, IDevice
{
    private const int BarCount = 6, ExpressFlags = 2, ExpressLink = 0x0c, ExpressLink2 = 0x2c, LinkBytes = 8, PowerControl = 4;
    private const ushort IntegratedEndpoint = 0x90, MsixEnable = 1 << 15, MsixMask = 1 << 14;

    private readonly VfioFunction _function;
    private readonly PciBus _bus;
    private readonly GuestMemory _memory;
    private readonly VfioInterrupts _interrupts;
    private readonly bool[] _isOwn = new bool[ConventionalBytes];     // made here, and not the device's
    private readonly VfioBar?[] _views = new VfioBar?[BarCount];
    private VfioMsi? _msi;
    private VfioMsixTable? _table;
    private int _msixOffset;
    private int _hostCommand = -1;

    /// <summary>Makes the device, which owns <paramref name="function"/> from then on. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="function">The function of the host.</param>
    /// <param name="config">Its configuration space, <see cref="ConventionalBytes"/> bytes.</param>
    /// <param name="services">The machine.</param>
    internal VfioPci(string name, VfioFunction function, byte[] config, MachineServices services) : base(name, IdentityOf(config))
    {
        (_function, _memory) = (function, services.Memory);
        _bus = services.Pci ?? throw new ConfigException($"Device \"{name}\" needs a PCI bus; list the platform before it.");
        _interrupts = new VfioInterrupts(name, function, services.Interrupts, SetInterrupt);
        try
        {
            Own(0, FirstCapability);
            AddCapabilities(config);
            _table?.Observe(UpdateVector);
            for (int i = 0; i < BarCount; i++) i += AddBar(i, BinaryPrimitives.ReadUInt32LittleEndian(config.AsSpan(Bar0 + (4 * i)))) ? 1 : 0;
            if (function.IrqCount(VfioFunction.IntxIrq) != 0) UseInterruptPin();
            _ = _bus.Add(this);
            foreach (VfioBar? view in _views) view?.Map(_memory.Layout);
        }
        catch
        {
            _interrupts.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    string IStateUnit.Name => Name;

    /// <inheritdoc/>
    public void Start() { }

    /// <inheritdoc/>
    public void Stop() { }

    /// <inheritdoc/>
    public void Reset()
    {
        _interrupts.SwitchOff();
        _table?.Reset();
        _function.Reset();
        _hostCommand = -1;
        _bus.ResetFunction(this);
    }

    /// <inheritdoc/>
    public void Exchange(StateFields fields) =>
        throw new StateException($"The device '{Name}' cannot be saved or restored: its state is in {_function.Address} of the host.");

    /// <inheritdoc/>
    public void Dispose()
    {
        _interrupts.Dispose();
        _function.Dispose();
    }

    /// <inheritdoc/>
    internal override void ReadConfig(int offset, Span<byte> data)
    {
        base.ReadConfig(offset, data);
        if (offset + data.Length > ConventionalBytes) return;
        Span<byte> device = stackalloc byte[data.Length];
        if (!_isOwn.AsSpan(offset, data.Length).Contains(false)) return;
        _function.Read(VfioFunction.ConfigRegion, (ulong)offset, device);
        for (int i = 0; i < data.Length; i++)
            if (!_isOwn[offset + i]) data[i] = device[i];
    }

    /// <inheritdoc/>
    internal override bool WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        // In one piece where it is all the device's, as the guest meant it.
        for (int i = 0; i < data.Length && offset + data.Length <= ConventionalBytes; )
        {
            int start = i;
            while (i < data.Length && !_isOwn[offset + i]) i++;
            if (i != start) _function.Write(VfioFunction.ConfigRegion, (ulong)(offset + start), data[start..i]);
            else i++;
        }
        return base.WriteConfig(offset, data);
    }

    /// <inheritdoc/>
    internal override void OnConfigChanged()
    {
        int command = CommandRegister | CommandMemory | CommandIo;
        if (command != _hostCommand)
        {
            _hostCommand = command;
            _function.Write(VfioFunction.ConfigRegion, Command, [(byte)command, (byte)(command >> 8)]);
        }
        bool wasByMessages = _interrupts.IsByMessages;
        ushort msix = _table is null ? (ushort)0 : Get16(_msixOffset + 2);
        if ((msix & MsixEnable) != 0)
        {
            _interrupts.UseMessages(VfioFunction.MsixIrq, _table!.Vectors);
            for (int i = 0; i < _table.Vectors; i++) UpdateVector(i);
        }
        else if (_msi?.CountOf(Get32) is int count and > 0)
        {
            _interrupts.UseMessages(VfioFunction.MsiIrq, count);
            for (int i = 0; i < count; i++) _interrupts.SetMessage(VfioFunction.MsiIrq, i, _msi.MessageOf(i, count, Get32));
        }
        else
        {
            _interrupts.UsePin();
        }
        if (wasByMessages == _interrupts.IsByMessages) return;
        foreach (PciBar bar in Bars)
            if (bar.Region is { } region) OnMoved(bar, region);
    }

    // Where the guest's driver looks at the device because of its pin, we must see it do so.
    private protected override void OnMoved(PciBar bar, BusRegion region)
    {
        if (bar.Kind == PciBarKind.Io || bar.IsRom) return;
        bool isShown = region.IsMapped && _interrupts.IsByMessages && (region.Start < PciWindows.FourGib || region.Start >= _memory.EndOfRam);
        _views[bar.Index]?.Place(isShown ? region.Start : null);
    }

    private static PciIdentity IdentityOf(ReadOnlySpan<byte> config) => new(
        BinaryPrimitives.ReadUInt16LittleEndian(config), BinaryPrimitives.ReadUInt16LittleEndian(config[DeviceId..]),
        (uint)(config[ClassCode] | config[ClassCode + 1] << 8 | config[ClassCode + 2] << 16), config[RevisionId],
        BinaryPrimitives.ReadUInt16LittleEndian(config[SubsystemVendorId..]), BinaryPrimitives.ReadUInt16LittleEndian(config[SubsystemId..]));

    private void UpdateVector(int vector)
    {
        ushort control = Get16(_msixOffset + 2);
        if ((control & MsixEnable) != 0) _interrupts.SetMessage(VfioFunction.MsixIrq, vector, (control & MsixMask) != 0 ? null : _table!.MessageOf(vector));
    }

    private void Own(int offset, int length) => _isOwn.AsSpan(offset, length).Fill(true);

    private void AddCapabilities(byte[] config)
    {
        IReadOnlyList<(int Offset, byte Id)> found = VfioCapabilities.Find(config);
        if (found.Count == 0) return;
        Put16(CapabilityPointer, (ushort)found[0].Offset);
        Put16(Status, StatusCapabilities);
        for (int i = 0; i < found.Count; i++)
        {
            (int at, byte id) = found[i];
            Own(at, 2);
            AddCapability(config, at, id);
            Put16(at, (ushort)(id | (i + 1 < found.Count ? found[i + 1].Offset : 0) << 8));
        }
    }

    private void AddCapability(byte[] config, int at, byte id)
    {
        ushort first = BinaryPrimitives.ReadUInt16LittleEndian(config.AsSpan(at + 2));
        switch (id)
        {
            case VfioCapabilities.Power:
                // The host's kernel would have no registers there of a device that sleeps.
                Own(at + PowerControl, 2);
                Put16(at + PowerControl, (ushort)(config[at + PowerControl] & 8));
                MakeWritable(at + PowerControl, 3);
                break;
            case VfioCapabilities.Msi when _function.IrqCount(VfioFunction.MsiIrq) != 0:
                _msi = new VfioMsi(at, first);
                Own(at, VfioMsi.LengthOf(first));
                Put16(at + 2, (ushort)(first & 0x18e));
                _msi.Open(MakeWritable);
                break;
            case CapabilityMsix when _function.IrqCount(VfioFunction.MsixIrq) is int count and > 0:
                AddMsix(config, at, Math.Min(Math.Min((first & 0x7ff) + 1, count), VfioMsixTable.MostVectors));
                break;
            case CapabilityExpress:
                // There is no link between the guest's root complex and it (PCI Express Base 5.0 §7.5.3.2).
                Own(at + ExpressFlags, 2);
                Put16(at + ExpressFlags, (ushort)((first & 0x3e0f) | IntegratedEndpoint));
                Own(at + ExpressLink, LinkBytes);
                if ((first & 15) >= 2) Own(at + ExpressLink2, LinkBytes);
                break;
        }
    }

    private void AddMsix(byte[] config, int at, int vectors)
    {
        uint table = BinaryPrimitives.ReadUInt32LittleEndian(config.AsSpan(at + 4));
        int bar = (int)(table & 7);
        ulong start = table & ~7u, length = bar < BarCount ? _function.Region(bar).LengthBytes : 0;
        if (start + (ulong)(vectors * 16) > length) return;
        (_msixOffset, _table) = (at, new VfioMsixTable(bar, start, vectors));
        Own(at, 12);
        Put16(at + 2, (ushort)(vectors - 1));
        Put32(at + 4, table);
        Put32(at + 8, BinaryPrimitives.ReadUInt32LittleEndian(config.AsSpan(at + 8)));
        MakeWritable(at + 3, (MsixEnable | MsixMask) >> 8);
    }

    // True: it takes the next register too.
    private bool AddBar(int index, uint register)
    {
        ulong length = _function.Region(index).LengthBytes;
        PciBarKind kind = (register & 1) != 0 ? PciBarKind.Io : (register & 6) == 4 && index < BarCount - 1 ? PciBarKind.Memory64 : PciBarKind.Memory32;
        if (length == 0) return false;
        if (length > 1UL << 40) throw new ConfigException($"BAR {index} of {_function.Address} for the device '{Name}' has {length} bytes, which no guest has room for; choose another device.");
        VfioBar view = new(_function, index, _table?.Bar == index ? _table : null, _interrupts);
        _views[index] = view;
        _ = AddBar(index, kind, BitOperations.RoundUpToPowerOf2(Math.Max(length, 16)), view, isPrefetchable: kind != PciBarKind.Io && (register & 8) != 0);
        return kind == PciBarKind.Memory64;
    }
}
