using System;
using Hutch.Model.Machine;
using static Hutch.Devices.Ethernet.Rtl8139.Rtl8139Registers;

namespace Hutch.Devices.Ethernet.Rtl8139;

/// <summary>Which frames pass (RTL8139C+ §6.2, §6.11): the card's address, broadcasts, groups by a hash of 64 bits.</summary>
internal static class Rtl8139Filter
{
    /// <summary>What a frame of 60 bytes at least passed as: one of the bits of a received descriptor; 0 where only that all frames are wanted lets it in; null where it does not pass.</summary>
    internal static uint? Accept(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> registers, uint config)
    {
        ReadOnlySpan<byte> target = frame[..MacAddress.Bytes];
        if ((target[0] & 1) == 0)
        {
            bool own = target.SequenceEqual(registers.Slice(Address, MacAddress.Bytes));
            return own && (config & (AcceptOwn | AcceptAll)) != 0 ? ReceivedOwn : (config & AcceptAll) != 0 ? 0u : null;
        }
        if (!target.ContainsAnyExcept((byte)0xff)) return (config & (AcceptBroadcast | AcceptAll)) != 0 ? ReceivedBroadcast : null;
        int hash = (int)(Hash(target) >> 26);
        bool listed = (config & AcceptGroups) != 0 && (registers[Groups + (hash >> 3)] >> (hash & 7) & 1) != 0;
        return listed || (config & AcceptAll) != 0 ? ReceivedGroup : null;
    }

    // The check sequence of Ethernet (IEEE 802.3 §3.2.9), its first bit the highest, without the inversion at its end.
    private static uint Hash(ReadOnlySpan<byte> address)
    {
        uint crc = uint.MaxValue;
        foreach (byte value in address)
            for (int bit = 0; bit < 8; bit++) crc = crc << 1 ^ (((crc >> 31) ^ (uint)(value >> bit & 1)) != 0 ? 0x04c1_1db7u : 0);
        return crc;
    }
}
