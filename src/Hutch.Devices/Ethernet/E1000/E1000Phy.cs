using Hutch.Core.State;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>
/// The transceiver inside the 82540EM, a Marvell 88E1011 behind MDIC (§13.4.10; registers: IEEE 802.3 §22.2.4, and §13.9.x for the vendor's). Negotiation is over at once,
/// for there is no wire: 1000 Mb/s, both ways at once. Under the card's lock.
/// </summary>
internal sealed class E1000Phy
{
    private const int Registers = 32, Address = 1;
    private const int Control = 0, Status = 1, Id1 = 2, Id2 = 3, Advertisement = 4, PartnerAbility = 5, Expansion = 6, GigabitControl = 9, GigabitStatus = 10, ExtendedStatus = 15;
    private const int VendorControl = 16, VendorStatus = 17, InterruptEnable = 18, ExtendedVendorControl = 20;
    private const ushort ControlReset = 0x8000, ControlLoopback = 0x4000, ControlRestart = 0x0200, ControlPowerOn = 0x1140;
    private const ushort StatusFixed = 0x7949, StatusNegotiated = 0x0020, StatusLinkUp = 0x0004;
    private const ushort VendorGigabitDuplex = 0xac00, VendorLinkUp = 0x0400;
    private const uint OrderWrite = 1u << 26, OrderRead = 2u << 26, OrderMask = 3u << 26, Ready = 1u << 28, InterruptWanted = 1u << 29, Error = 1u << 30;

    private readonly ushort[] _registers = new ushort[Registers];
    private uint _order;

    // IEEE 802.3 §22.2.4.2.13: a lost link is seen once, even when it has come back.
    private bool _wasDown;

    /// <summary>MDIC as the driver reads it.</summary>
    internal uint Order => _order;

    /// <summary>What is sent comes back.</summary>
    internal bool IsLooped => (_registers[Control] & ControlLoopback) != 0;

    /// <summary>Power-on state.</summary>
    internal void Reset()
    {
        System.Array.Clear(_registers);
        _order = 0;
        _wasDown = false;
        _registers[Control] = ControlPowerOn;
        (_registers[Id1], _registers[Id2]) = (0x0141, 0x0c20);
        _registers[Advertisement] = 0x0de1;
        _registers[GigabitControl] = 0x0e00;
        (_registers[VendorControl], _registers[ExtendedVendorControl]) = (0x0360, 0x0d60);
    }

    /// <summary>The cable was pulled.</summary>
    internal void LinkLost() => _wasDown = true;

    /// <summary>An order by MDIC; returns the causes of interrupts that follow.</summary>
    internal uint Execute(uint value, bool isLinkUp)
    {
        int register = (int)(value >> 16) & 31;
        uint causes = (value & InterruptWanted) != 0 ? E1000Registers.CauseManagement : 0;
        _order = value & ~(Ready | Error);
        if ((value >> 21 & 31) != Address) _order |= Error;
        else if ((value & OrderMask) == OrderRead) _order = (_order & 0xffff_0000) | Read(register, isLinkUp);
        else if ((value & OrderMask) == OrderWrite)
        {
            Write(register, (ushort)value);
            // A negotiation that has succeeded changes the link.
            if (register == Control && (value & (ControlReset | ControlRestart)) != 0 && isLinkUp) causes |= E1000Registers.CauseLink;
        }
        else _order |= Error;
        _order |= Ready;
        return causes;
    }

    /// <summary>Saves or restores the registers.</summary>
    internal void Exchange(StateFields fields)
    {
        System.Span<ulong> wide = stackalloc ulong[Registers];
        for (int i = 0; i < Registers; i++) wide[i] = _registers[i];
        fields.Numbers("registers", wide);
        for (int i = 0; i < Registers; i++) _registers[i] = (ushort)wide[i];
        fields.Value("order", ref _order);
        fields.Value("was-down", ref _wasDown);
    }

    private ushort Read(int register, bool isLinkUp)
    {
        switch (register)
        {
            case Status:
                bool up = isLinkUp && !_wasDown;
                _wasDown = false;
                return (ushort)(StatusFixed | StatusNegotiated | (up ? StatusLinkUp : 0));
            case PartnerAbility: return (ushort)(isLinkUp ? 0x41e0 : 0);
            case Expansion: return (ushort)(isLinkUp ? 1 : 0);
            case GigabitStatus: return (ushort)(isLinkUp ? 0x3c00 : 0);
            case ExtendedStatus: return 0x3000;
            case VendorStatus: return (ushort)(VendorGigabitDuplex & ~VendorLinkUp | (isLinkUp ? VendorLinkUp : 0));
            default: return _registers[register];
        }
    }

    private void Write(int register, ushort value)
    {
        switch (register)
        {
            case Control: _registers[Control] = (ushort)(value & ~(ControlReset | ControlRestart)); break;
            case Advertisement or 7 or GigabitControl or VendorControl or InterruptEnable or ExtendedVendorControl or 24 or 29 or 30 or 31: _registers[register] = value; break;
        }
    }
}
