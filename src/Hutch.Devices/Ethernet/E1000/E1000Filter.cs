using System;
using System.Buffers.Binary;
using Hutch.Core.State;
using Hutch.Model.Machine;
using static Hutch.Devices.Ethernet.E1000.E1000Registers;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>Which frames the driver wants: sixteen addresses, a hash for groups, a bit for each VLAN (§3.2.1, §13.5). Under the card's lock.</summary>
internal sealed class E1000Filter
{
    private const int AddressRegisters = 32, TableRegisters = 128;
    private const uint AddressValid = 1u << 31;

    private readonly uint[] _addresses = new uint[AddressRegisters], _groups = new uint[TableRegisters], _vlans = new uint[TableRegisters];

    /// <summary>Power-on state: the card's own address, which the EEPROM holds, in the first place.</summary>
    internal void Reset(ReadOnlySpan<byte> address)
    {
        Array.Clear(_addresses);
        Array.Clear(_groups);
        Array.Clear(_vlans);
        _addresses[0] = BinaryPrimitives.ReadUInt32LittleEndian(address);
        _addresses[1] = BinaryPrimitives.ReadUInt16LittleEndian(address[4..]) | AddressValid;
    }

    /// <summary>The table register at an offset; null where there is none.</summary>
    internal bool TryFind(int register, out Span<uint> place)
    {
        (uint[] Table, int Start)? found = register switch
        {
            >= MulticastTable and < MulticastTable + (4 * TableRegisters) => (_groups, MulticastTable),
            >= ReceiveAddresses and < ReceiveAddresses + (4 * AddressRegisters) => (_addresses, ReceiveAddresses),
            >= VlanTable and < VlanTable + (4 * TableRegisters) => (_vlans, VlanTable),
            _ => null,
        };
        place = found is var (table, start) ? table.AsSpan((register - start) / 4, 1) : default;
        return found is not null;
    }

    /// <summary>Whether a frame of 60 bytes at least passes.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="control">RCTL.</param>
    /// <param name="vlanType">VET.</param>
    /// <param name="isInexact">It passed by the hash alone, so that the driver has to look.</param>
    internal bool Passes(ReadOnlySpan<byte> frame, uint control, uint vlanType, out bool isInexact)
    {
        isInexact = false;
        if ((control & ReceiveVlanFilter) != 0 && BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) == (ushort)vlanType)
        {
            int vlan = BinaryPrimitives.ReadUInt16BigEndian(frame[14..]) & 0xfff;
            if ((_vlans[vlan >> 5] >> (vlan & 31) & 1) == 0) return false;
        }
        ReadOnlySpan<byte> target = frame[..MacAddress.Bytes];
        bool isGroup = (target[0] & 1) != 0;
        if ((control & (isGroup ? ReceiveAllMulticast : ReceiveAllUnicast)) != 0) return true;
        if (isGroup && (control & ReceiveBroadcast) != 0 && !target.ContainsAnyExcept((byte)0xff)) return true;
        uint low = BinaryPrimitives.ReadUInt32LittleEndian(target);
        uint high = BinaryPrimitives.ReadUInt16LittleEndian(target[4..]) | AddressValid;
        for (int i = 0; i < AddressRegisters; i += 2)
            if (_addresses[i] == low && (_addresses[i + 1] & (AddressValid | 0xffff)) == high) return true;
        if (!isGroup) return false;
        // Twelve bits of the address's end, which ones RCTL says (§13.5.1).
        int shift = (int)(control >> ReceiveMulticastShift & 3) switch { 0 => 4, 1 => 3, 2 => 2, _ => 0 };
        int hash = (target[4] | target[5] << 8) >> shift & 0xfff;
        isInexact = true;
        return (_groups[hash >> 5] >> (hash & 31) & 1) != 0;
    }

    /// <summary>Saves or restores the tables.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Numbers("addresses", _addresses);
        fields.Numbers("groups", _groups);
        fields.Numbers("vlans", _vlans);
    }
}
