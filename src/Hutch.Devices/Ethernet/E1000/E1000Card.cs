using System;
using System.Buffers.Binary;
using Hutch.Core.Bus;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Net;
using static Hutch.Devices.Ethernet.E1000.E1000Registers;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>
/// An Intel 82540EM Gigabit Ethernet card (Intel PCI/PCI-X Family of Gigabit Ethernet Controllers, Software Developer's Manual): registers in memory and behind two ports.
/// Its interrupt is INTA. What is about wires, wake-up and management can be set and does nothing.
/// </summary>
internal sealed class E1000Card : EthernetCard, IBusDevice, IWordRegisters
{
    private const ushort Vendor = 0x8086, DeviceNumber = 0x100e, SubsystemVendor = 0x1af4, Subsystem = 0x1100;

    // Registers that the driver can set and that change nothing here.
    private static readonly int[] Inert =
    [
        ExtendedControl, FlowLow, FlowHigh, FlowType, FlowTimer, TransmitConfig, LedControl, PacketBuffer, FlowThresholdLow, FlowThresholdHigh, ReceiveDescriptorControl,
        SmallPacketDetect, InterPacketGap, InterFrameSpacing, TransmitDescriptorControl, SegmentationThreshold, TransmitDma, WakeControl, WakeFilter, Management,
    ];

    private readonly byte[] _address;
    private readonly E1000Interrupts _interrupts;
    private readonly E1000Statistics _statistics = new();
    private readonly E1000Eeprom _eeprom;
    private readonly E1000Phy _phy = new();
    private readonly E1000Receiver _receiver;
    private readonly E1000Transmitter _transmitter;
    private readonly uint[] _inert = new uint[Inert.Length];
    private uint _control, _selected;

    internal E1000Card(E1000Config config, MachineServices services, INetBackend backend, ReadOnlySpan<byte> address)
        : base(config, new PciIdentity(Vendor, DeviceNumber, 0x020000, Revision: 3, SubsystemVendor, Subsystem), services, backend)
    {
        _address = address.ToArray();
        _eeprom = new E1000Eeprom(address, DeviceNumber, SubsystemVendor, Subsystem);
        _interrupts = new E1000Interrupts(services.Timers, $"{config.Id} interrupt", Expired, SetInterrupt);
        _receiver = new E1000Receiver(services.Memory, _interrupts, _statistics);
        _transmitter = new E1000Transmitter(this, services.Memory, _interrupts, _statistics);
        AddBar(0, PciBarKind.Memory32, BarBytes, this);
        AddBar(1, PciBarKind.Io, IoBytes, new Window(this));
        UseInterruptPin();
        Connect();
    }

    /// <summary>CTRL.VME: tags are taken out of frames and put into them.</summary>
    internal bool HandlesTags => (_control & ControlVlanMode) != 0;

    /// <summary>VET.</summary>
    internal uint VlanType => _receiver.VlanType & 0xffff;

    /// <summary>What is sent comes back.</summary>
    internal bool IsLooped => _phy.IsLooped || (_receiver.Control & ReceiveLoopback) == ReceiveLoopback;

    /// <inheritdoc/>
    private protected override bool IsActive => _receiver.IsEnabled || _transmitter.IsEnabled;

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (Registers) return WordRegisters.Read(this, offset, data);
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        // Registers are written as a whole (§13.1).
        if (data.Length < 4 || offset % 4 != 0) return BusStatus.BadWidth;
        lock (Registers)
        {
            for (int done = 0; done < data.Length; done += 4) WriteRegister((int)offset + done, BinaryPrimitives.ReadUInt32LittleEndian(data[done..]));
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    private protected override bool SendSome(int most) => _transmitter.SendSome(most);

    /// <inheritdoc/>
    private protected override bool TryReceive(Span<byte> frame, bool isVerified) => !IsBusMaster || _receiver.TryReceive(frame, isVerified, HandlesTags);

    /// <inheritdoc/>
    private protected override void OnServed()
    {
        _receiver.Tell();
        _transmitter.Tell();
    }

    /// <inheritdoc/>
    private protected override void OnStopped() => _interrupts.Settle();

    /// <inheritdoc/>
    private protected override void OnLinkChanged()
    {
        if (!IsLinkUp) _phy.LinkLost();
        _interrupts.Raise(CauseLink);
    }

    /// <inheritdoc/>
    private protected override void ResetCard()
    {
        _control = ControlPowerOn;
        _selected = 0;
        Array.Clear(_inert);
        _inert[Array.IndexOf(Inert, PacketBuffer)] = 0x0010_0030;
        _inert[Array.IndexOf(Inert, LedControl)] = 0x0706_8302;
        _inert[Array.IndexOf(Inert, Management)] = 0x0000_2300;
        _eeprom.Reset();
        _phy.Reset();
        _statistics.Reset();
        _interrupts.Reset();
        _receiver.Reset(_address);
        _transmitter.Reset();
    }

    /// <inheritdoc/>
    private protected override void ExchangeCard(StateFields fields)
    {
        fields.Value("control", ref _control);
        fields.Value("selected", ref _selected);
        fields.Require(_selected < BarBytes, "selected");
        fields.Numbers("inert", _inert);
        fields.Group("eeprom", _eeprom.Exchange);
        fields.Group("phy", _phy.Exchange);
        fields.Group("statistics", _statistics.Exchange);
        fields.Group("receiver", _receiver.Exchange);
        fields.Group("transmitter", _transmitter.Exchange);
        fields.Group("interrupts", _interrupts.Exchange);
    }

    /// <inheritdoc/>
    private protected override void DisposeCard() => _interrupts.Dispose();

    private void Expired()
    {
        lock (Registers) _interrupts.Expire();
    }

    /// <inheritdoc/>
    public uint ReadRegister(int register)
    {
        if (register is >= StatisticsStart and < StatisticsEnd) return _statistics.Take(register);
        if (register is >= ReceiveBase and <= ReceiveTail) return _receiver.Ring.Read(register - ReceiveBase);
        if (register is >= TransmitBase and <= TransmitTail) return _transmitter.Ring.Read(register - TransmitBase);
        if (_receiver.Filter.TryFind(register, out Span<uint> place)) return place[0];
        return register switch
        {
            Control or ControlCopy => _control,
            Status => IsLinkUp ? StatusPowerOn : StatusPowerOn & ~StatusLinkUp,
            Eecd => _eeprom.Lines,
            EepromRead => _eeprom.Register,
            Mdic => _phy.Order,
            VlanEtherType => _receiver.VlanType,
            Cause => _interrupts.TakeCauses(),
            Throttle => _interrupts.Throttle,
            MaskSet => _interrupts.Mask,
            ReceiveControl => _receiver.Control,
            ReceiveChecksum => _receiver.Checksums,
            ReceiveDelay => _receiver.Delays.Delay,
            ReceiveAbsoluteDelay => _receiver.Delays.AtMost,
            TransmitControl => _transmitter.Control,
            TransmitDelay => _transmitter.Delays.Delay,
            TransmitAbsoluteDelay => _transmitter.Delays.AtMost,
            _ => Array.IndexOf(Inert, register) is >= 0 and int index ? _inert[index] : 0,
        };
    }

    private void WriteRegister(int register, uint value)
    {
        if (register is >= ReceiveBase and <= ReceiveTail)
        {
            _receiver.Ring.Write(register - ReceiveBase, value);
            if (register is ReceiveTail or ReceiveLength) BuffersCame();
            return;
        }
        if (register is >= TransmitBase and <= TransmitTail)
        {
            _transmitter.Ring.Write(register - TransmitBase, value);
            if (register is TransmitTail) Wake();
            return;
        }
        if (_receiver.Filter.TryFind(register, out Span<uint> place))
        {
            place[0] = value;
            return;
        }
        switch (register)
        {
            case Cause: _interrupts.ClearCauses(value); break;
            case Throttle: _interrupts.Throttle = value; break;
            case CauseSet: _interrupts.Raise(value & CauseBits); break;
            case MaskSet: _interrupts.SetMask(value, 0); break;
            case MaskClear: _interrupts.SetMask(0, value); break;
            default: WriteRare(register, value); break;
        }
    }

    private void WriteRare(int register, uint value)
    {
        switch (register)
        {
            case Control or ControlCopy: WriteControl(value); break;
            case Eecd: _eeprom.SetLines(value); break;
            case EepromRead: _eeprom.Read(value); break;
            case Mdic: _interrupts.Raise(_phy.Execute(value, IsLinkUp)); break;
            case VlanEtherType: _receiver.VlanType = value & 0xffff; break;
            case ReceiveControl:
                _receiver.Control = value;
                BuffersCame();
                break;
            case ReceiveChecksum: _receiver.Checksums = value; break;
            case ReceiveDelay:
                _receiver.Delays = (value & 0xffff, _receiver.Delays.AtMost);
                if ((value & DelayFlush) != 0) _interrupts.Flush();
                break;
            case ReceiveAbsoluteDelay: _receiver.Delays = (_receiver.Delays.Delay, value & 0xffff); break;
            case TransmitControl:
                _transmitter.Control = value;
                Wake();
                break;
            case TransmitDelay:
                _transmitter.Delays = (value & 0xffff, _transmitter.Delays.AtMost);
                if ((value & DelayFlush) != 0) _interrupts.Flush();
                break;
            case TransmitAbsoluteDelay: _transmitter.Delays = (_transmitter.Delays.Delay, value & 0xffff); break;
            default:
                if (Array.IndexOf(Inert, register) is >= 0 and int index) _inert[index] = value;
                break;
        }
    }

    private void WriteControl(uint value)
    {
        if ((value & ControlReset) != 0)
        {
            ResetCard();
            return;
        }
        if ((value & ControlPhyReset) != 0) _phy.Reset();
        _control = value & ~ControlPhyReset;
    }

    // IOADDR and IODATA (§13.3): any register of memory by two ports.
    private sealed class Window(E1000Card card) : IBusDevice
    {
        public BusStatus Read(ulong offset, Span<byte> data)
        {
            if (data.Length != 4 || offset > 4) return BusStatus.BadWidth;
            lock (card.Registers) BinaryPrimitives.WriteUInt32LittleEndian(data, offset == 0 ? card._selected : card.ReadRegister((int)card._selected));
            return BusStatus.Handled;
        }

        public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
        {
            if (data.Length != 4 || offset is not (0 or 4)) return BusStatus.BadWidth;
            uint value = BinaryPrimitives.ReadUInt32LittleEndian(data);
            lock (card.Registers)
            {
                if (offset == 0) card._selected = value & (BarBytes - 4);
                else card.WriteRegister((int)card._selected, value);
            }
            return BusStatus.Handled;
        }
    }
}
