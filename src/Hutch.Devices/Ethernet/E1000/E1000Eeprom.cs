using System;
using System.Buffers.Binary;
using Hutch.Core.State;
using Hutch.Model.Machine;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>The card's EEPROM (content: §5.6), which the driver reads bit by bit over wires (EECD, §13.4.3) or by a register (EERD, §13.4.4). Under the card's lock.</summary>
internal sealed class E1000Eeprom
{
    private const int ChecksumWord = 63;
    private const ushort ChecksumTotal = 0xbaba;
    private const uint Clock = 1, Select = 2, DataIn = 4, DataOut = 8, FlashWrite = 3 << 4, Request = 1 << 6, Grant = 1 << 7, Present = 1 << 8;
    private const uint ReadStart = 1, ReadDone = 1 << 4;

    private readonly MicrowireEeprom _chip;
    private uint _lines, _register;

    internal E1000Eeprom(ReadOnlySpan<byte> address, ushort device, ushort subsystemVendor, ushort subsystem)
    {
        ushort[] words = new ushort[MicrowireEeprom.Words];
        for (int i = 0; i < MacAddress.Bytes / 2; i++) words[i] = BinaryPrimitives.ReadUInt16LittleEndian(address[(2 * i)..]);
        words[3] = 0x0420;                      // compatibility: a client, of no LAN on the board
        words[5] = 0x0217;                      // version of the image
        (words[8], words[9]) = (0x3000, 0x1000);
        words[0x0a] = 0x6403;                   // ids are loaded from here
        (words[0x0b], words[0x0c], words[0x0d], words[0x0e]) = (subsystem, subsystemVendor, device, 0x8086);
        (words[0x0f], words[0x10], words[0x11]) = (0xb046, 0x0c00, 0x000a);
        ushort sum = 0;
        for (int i = 0; i < ChecksumWord; i++) sum += words[i];
        words[ChecksumWord] = (ushort)(ChecksumTotal - sum);
        _chip = new MicrowireEeprom(words);
    }

    /// <summary>EECD as the driver reads it: the wires are always granted.</summary>
    internal uint Lines => _lines | Present | Grant | (_chip.Output ? DataOut : 0);

    /// <summary>EERD: word and address as they were asked for.</summary>
    internal uint Register => _register;

    /// <summary>Power-on state.</summary>
    internal void Reset()
    {
        (_lines, _register) = (0, 0);
        _chip.Reset();
    }

    /// <summary>EECD as the driver writes it.</summary>
    internal void SetLines(uint value)
    {
        _lines = value & (Clock | Select | DataIn | FlashWrite | Request);
        _chip.Set((value & Select) != 0, (value & Clock) != 0, (value & DataIn) != 0);
    }

    /// <summary>EERD: the word is there at once.</summary>
    internal void Read(uint value)
    {
        _register = value & ~(ReadDone | ReadStart | 0xffff_0000);
        if ((value & ReadStart) != 0) _register |= ReadDone | (uint)_chip[(int)(value >> 8) & 0xff] << 16;
    }

    /// <summary>Saves or restores the lines' state.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("lines", ref _lines);
        fields.Value("register", ref _register);
        fields.Group("chip", _chip.Exchange);
    }
}
