using System;
using System.Buffers.Binary;
using Hutch.Core.Bus;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Pci;
using Hutch.Model.Machine;
using Hutch.Net;
using static Hutch.Devices.Ethernet.Rtl8139.Rtl8139Registers;

namespace Hutch.Devices.Ethernet.Rtl8139;

/// <summary>
/// A Realtek RTL8139C+ Fast Ethernet card (RTL8139C+ data sheet 1.6), with descriptors (C+ mode) or as the RTL8139 of old (C mode): 256 registers in memory and at ports.
/// Its interrupt is INTA. There is no timer interrupt, no second send ring, no wake-up.
/// </summary>
internal sealed class Rtl8139Card : EthernetCard, IBusDevice
{
    private const ushort MiiRestart = 0x8200, MiiPowerOn = 0x3100, MiiStatusBits = 0x7829, MiiLinkUp = 4;

    private readonly byte[] _address;
    private readonly byte[] _registers = new byte[BarBytes];
    private readonly GuestMemory _memory;
    private readonly MicrowireEeprom _eeprom;
    private readonly Rtl8139Receiver _receiver;
    private readonly Rtl8139Transmitter _transmitter;
    private readonly Rtl8139Tally _tally = new();
    private uint _sendIndex, _receiveIndex, _sendSlot;

    internal Rtl8139Card(Rtl8139Config config, MachineServices services, INetBackend backend, ReadOnlySpan<byte> address)
        : base(config, new PciIdentity(0x10ec, 0x8139, 0x020000, Revision: 0x20, SubsystemVendor: 0x1af4, Subsystem: 0x1100), services, backend)
    {
        _address = address.ToArray();
        _memory = services.Memory;
        ushort[] words = new ushort[MicrowireEeprom.Words];
        (words[0], words[1], words[2], words[3], words[4]) = (0x8129, 0x10ec, 0x8139, 0x1af4, 0x1100);
        for (int i = 0; i < MacAddress.Bytes / 2; i++) words[7 + i] = BinaryPrimitives.ReadUInt16LittleEndian(address[(2 * i)..]);
        _eeprom = new MicrowireEeprom(words);
        _receiver = new Rtl8139Receiver(this, services.Memory);
        _transmitter = new Rtl8139Transmitter(this, services.Memory);
        AddBar(0, PciBarKind.Io, BarBytes, this);
        AddBar(1, PciBarKind.Memory32, BarBytes, this);
        UseInterruptPin();
        Connect();
    }

    /// <summary>Which time between resets it is. Under the lock.</summary>
    internal uint Era { get; private set; }

    /// <summary>The next descriptor of the send ring. Under the lock.</summary>
    internal uint SendIndex { get => _sendIndex; set => _sendIndex = value; }

    /// <summary>The next descriptor of the receive ring. Under the lock.</summary>
    internal uint ReceiveIndex { get => _receiveIndex; set => _receiveIndex = value; }

    /// <summary>The next pair of send registers. Under the lock.</summary>
    internal uint SendSlot { get => _sendSlot; set => _sendSlot = value; }

    /// <summary>What is sent comes back: both bits of the send configuration (§6.7).</summary>
    internal bool IsLooped => (Byte(SendConfig + 2) & 6) == 6;

    /// <summary>All registers as they are kept. Under the lock.</summary>
    internal ReadOnlySpan<byte> Bytes => _registers;

    /// <inheritdoc/>
    private protected override bool IsActive => (Byte(Command) & (CommandReceive | CommandSend)) != 0;

    /// <summary>A register of 8, 16, 32, 64 bits.</summary>
    internal byte Byte(int register) => _registers[register];

    /// <inheritdoc cref="Byte"/>
    internal ushort Word16(int register) => BinaryPrimitives.ReadUInt16LittleEndian(_registers.AsSpan(register));

    /// <inheritdoc cref="Byte"/>
    internal uint Word32(int register) => BinaryPrimitives.ReadUInt32LittleEndian(_registers.AsSpan(register));

    /// <inheritdoc cref="Byte"/>
    internal ulong Word64(int register) => BinaryPrimitives.ReadUInt64LittleEndian(_registers.AsSpan(register));

    /// <summary>Sets a register past its mask. Under the lock.</summary>
    internal void SetWord16(int register, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_registers.AsSpan(register), value);

    /// <inheritdoc cref="SetWord16"/>
    internal void SetWord32(int register, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_registers.AsSpan(register), value);

    /// <summary>A reason to interrupt comes up. Under the lock.</summary>
    internal void Raise(ushort causes)
    {
        SetWord16(Interrupts, (ushort)(Word16(Interrupts) | causes));
        UpdateLine();
    }

    /// <summary>A packet was sent. Under the lock.</summary>
    internal void Sent()
    {
        _tally.CountSent();
        Raise(SendOk);
    }

    /// <summary>A frame was received. Under the lock.</summary>
    internal void Received(uint passedAs)
    {
        _tally.CountReceived(passedAs);
        Raise(ReceiveOk);
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        lock (Registers)
        {
            Refresh();
            _registers.AsSpan((int)offset, data.Length).CopyTo(data);
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data)
    {
        lock (Registers)
        {
            int at = (int)offset;
            for (int i = 0; i < data.Length; i++)
            {
                byte mask = WritableBits(at + i);
                _registers[at + i] = (byte)(_registers[at + i] & ~mask | data[i] & mask);
                // Interrupts are taken by writing ones (§6.6).
                if (at + i is Interrupts or Interrupts + 1) _registers[at + i] &= (byte)~data[i];
            }
            Follow(at, data);
        }
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    private protected override bool SendSome(int most) => _transmitter.SendSome(most);

    /// <inheritdoc/>
    private protected override bool TryReceive(Span<byte> frame, bool isVerified) => !IsBusMaster || _receiver.TryReceive(frame, isVerified);

    /// <inheritdoc/>
    private protected override void OnServed() { }

    /// <inheritdoc/>
    private protected override void OnStopped() { }

    /// <inheritdoc/>
    private protected override void OnLinkChanged() => Raise(LinkChange);

    /// <inheritdoc/>
    private protected override void ResetCard()
    {
        Array.Clear(_registers);
        _address.CopyTo(_registers, Address);
        _registers[Config0] = 0x10;
        _registers[Config1] = 0x0c;
        _registers[Config3] = 0x01;
        SetWord16(MiiControl, MiiPowerOn);
        SetWord16(MiiAdvertisement, 0x05e1);
        _eeprom.Reset();
        _tally.Reset();
        ResetRings();
    }

    /// <inheritdoc/>
    private protected override void ExchangeCard(StateFields fields)
    {
        fields.Bytes("registers", _registers);
        fields.Value("send-index", ref _sendIndex);
        fields.Value("receive-index", ref _receiveIndex);
        fields.Value("send-slot", ref _sendSlot);
        fields.Require(_sendSlot < 4, "send-slot");
        fields.Group("eeprom", _eeprom.Exchange);
        fields.Group("tally", _tally.Exchange);
        if (!fields.IsRestoring) return;
        Era++;
        UpdateLine();
    }

    /// <inheritdoc/>
    private protected override void DisposeCard() { }

    // A reset by command leaves addresses, EEPROM and transceiver (§6.5).
    private void ResetRings()
    {
        Era++;
        (_sendIndex, _receiveIndex, _sendSlot) = (0, 0, 0);
        _registers[Command] = 0;
        SetWord16(PlusCommand, 0);
        SetWord16(Mask, 0);
        SetWord16(Interrupts, 0);
        SetWord32(SendConfig, ChipVersion);
        SetWord32(ReceiveConfig, 0);
        for (int i = 0; i < 4; i++) SetWord32(SendStatus + (i * 4), SendOwn);
        SetWord16(ReadPointer, unchecked((ushort)-16));
        SetWord16(WritePointer, 0);
        UpdateLine();
    }

    private void UpdateLine() => SetInterrupt((Word16(Interrupts) & Word16(Mask)) != 0);

    // What is computed when it is looked at.
    private void Refresh()
    {
        uint size = 8192u << (int)(Word32(ReceiveConfig) >> BufferShift & 3);
        bool isEmpty = Word16(WritePointer) % size == (uint)(Word16(ReadPointer) + 16) % size;
        _registers[Command] = (byte)(_registers[Command] & ~CommandEmpty | (isEmpty ? CommandEmpty : 0));
        _registers[Eeprom] = (byte)(_registers[Eeprom] & ~EepromOut | (_eeprom.Output ? EepromOut : 0));
        _registers[MediaStatus] = (byte)(IsLinkUp ? 0 : 4);
        SetWord16(MiiStatus, (ushort)(MiiStatusBits | (IsLinkUp ? MiiLinkUp : 0)));
        SetWord16(MiiPartner, (ushort)(IsLinkUp ? 0x45e1 : 0));
        SetWord16(MiiExpansion, (ushort)(IsLinkUp ? 1 : 0));
        int summary = 0;
        for (int i = 0; i < 4; i++)
        {
            uint status = Word32(SendStatus + (i * 4));
            summary |= ((status & SendDone) != 0 ? 0x1000 : 0) << i | ((status & SendOwn) != 0 ? 1 : 0) << i;
        }
        SetWord16(SendSummary, (ushort)summary);
    }

    private byte WritableBits(int register) => register switch
    {
        < Address + MacAddress.Bytes or Config0 or Config1 or Config3 or Config4 or Config5 => (byte)((_registers[Eeprom] & EepromMode) == EepromUnlocked ? 0xff : 0),
        >= Groups and < Groups + GroupBytes => 0xff,
        >= SendStatus and < ReceiveBuffer + 4 => 0xff,
        Command => CommandReceive | CommandSend,
        ReadPointer or ReadPointer + 1 or Mask or Mask + 1 => 0xff,
        SendConfig => 0xf1,
        SendConfig + 1 or SendConfig + 2 => 0x07,
        SendConfig + 3 => 0x03,
        >= ReceiveConfig and < ReceiveConfig + 4 => 0xff,
        Eeprom => EepromMode | EepromSelect | EepromClock | EepromIn,
        >= TimerInterrupt and < MediaStatus => 0xff,
        EarlyInterrupt or EarlyInterrupt + 1 or MiiControl or MiiControl + 1 or MiiAdvertisement or MiiAdvertisement + 1 or PlusCommand or EarlyThreshold => 0xff,
        >= ReceiveRing and < ReceiveRing + 8 => 0xff,
        _ => 0,
    };

    // What a write to some registers brings about.
    private void Follow(int at, ReadOnlySpan<byte> data)
    {
        int end = at + data.Length;
        bool Touches(int register, int bytes) => at < register + bytes && end > register;
        if (Touches(Command, 1) && (data[Command - at] & CommandReset) != 0) ResetRings();
        if (Touches(Mask, 2) || Touches(Interrupts, 2)) UpdateLine();
        // In C+ mode nobody says that descriptors are there again: who takes interrupts has looked at them.
        if (Touches(Command, ReceiveConfig + 4 - Command)) BuffersCame();
        if (Touches(Eeprom, 1)) MoveWires();
        if (Touches(MiiControl, 2)) Negotiate();
        if (Touches(ReceiveRing, 8)) _receiveIndex = 0;
        bool isPlus = (_registers[PlusCommand] & PlusSend) != 0;
        if (isPlus && Touches(SendRing, 8)) _sendIndex = 0;
        if (isPlus && Touches(TallyAddress, 1) && (data[TallyAddress - at] & 8) != 0) DumpTally();
        if (Touches(Poll, 1) || Touches(PlusCommand, 1) || (!isPlus && Touches(SendStatus, 16))) Wake();
    }

    private void MoveWires()
    {
        byte lines = _registers[Eeprom];
        if ((lines & EepromMode) == EepromProgram) _eeprom.Set((lines & EepromSelect) != 0, (lines & EepromClock) != 0, (lines & EepromIn) != 0);
        else _eeprom.Reset();
    }

    // A negotiation is over at once, for there is no wire.
    private void Negotiate()
    {
        bool isAsked = (Word16(MiiControl) & MiiRestart) != 0;
        SetWord16(MiiControl, (ushort)(Word16(MiiControl) & ~MiiRestart));
        if (isAsked) Raise(LinkChange);
    }

    private void DumpTally()
    {
        Span<byte> dump = stackalloc byte[Rtl8139Tally.Bytes];
        _tally.Write(dump);
        _ = _memory.TryCopyIn(Word64(TallyAddress) & ~63UL, dump);
        // The order is carried out.
        _registers[TallyAddress] &= 0xf7;
    }
}
