using System;
using System.Buffers.Binary;
using Hutch.Core.State;
using Hutch.Model.Machine;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>
/// The card's EEPROM of 64 words, which the driver reads bit by bit over a Microwire (EECD, §13.4.3) or by a register (EERD, §13.4.4). What it holds is in §5.6. It is
/// not written: its content is the machine's definition. Under the card's lock.
/// </summary>
internal sealed class E1000Eeprom
{
    private const int Words = 64, ChecksumWord = 63;
    private const ushort ChecksumTotal = 0xbaba;
    private const uint Clock = 1, Select = 2, DataIn = 4, DataOut = 8, FlashWrite = 3 << 4, Request = 1 << 6, Grant = 1 << 7, Present = 1 << 8;
    private const uint ReadStart = 1, ReadDone = 1 << 4;

    // A start bit, two bits of command, six of address. The answer begins with a zero.
    private const int OrderBits = 9, AddressBits = 6;
    private const uint ReadOrder = 0b110;

    private readonly ushort[] _words = new ushort[Words];
    private uint _lines, _order, _register;
    private int _bitsIn, _bitOut;
    private bool _isReading;

    internal E1000Eeprom(ReadOnlySpan<byte> address, ushort device, ushort subsystemVendor, ushort subsystem)
    {
        for (int i = 0; i < MacAddress.Bytes / 2; i++) _words[i] = BinaryPrimitives.ReadUInt16LittleEndian(address[(2 * i)..]);
        _words[3] = 0x0420;                     // compatibility: a client, of no LAN on the board
        _words[5] = 0x0217;                     // version of the image
        (_words[8], _words[9]) = (0x3000, 0x1000);
        _words[0x0a] = 0x6403;                  // ids are loaded from here
        (_words[0x0b], _words[0x0c], _words[0x0d], _words[0x0e]) = (subsystem, subsystemVendor, device, 0x8086);
        (_words[0x0f], _words[0x10], _words[0x11]) = (0xb046, 0x0c00, 0x000a);
        ushort sum = 0;
        for (int i = 0; i < ChecksumWord; i++) sum += _words[i];
        _words[ChecksumWord] = (ushort)(ChecksumTotal - sum);
    }

    /// <summary>The lines as the driver sees them: an output that is pulled up, and the wires always granted.</summary>
    internal uint Lines
    {
        get
        {
            bool bit = !_isReading || (_bitOut > 0 && (_words[(_order + (uint)((_bitOut - 1) >> 4)) & (Words - 1)] >> (15 - ((_bitOut - 1) & 15)) & 1) != 0);
            return _lines | Present | Grant | (bit ? DataOut : 0);
        }
    }

    /// <summary>EERD: word and address as they were asked for.</summary>
    internal uint Register => _register;

    /// <summary>Power-on state.</summary>
    internal void Reset()
    {
        (_lines, _order, _register) = (0, 0, 0);
        (_bitsIn, _bitOut, _isReading) = (0, 0, false);
    }

    /// <summary>The driver moves the lines.</summary>
    internal void SetLines(uint value)
    {
        uint changed = _lines ^ value;
        _lines = value & (Clock | Select | DataIn | FlashWrite | Request);
        if ((value & Select) == 0) return;
        if ((changed & Select) != 0)
        {
            (_order, _bitsIn, _bitOut) = (0, 0, 0);
            _isReading = false;
        }
        if ((changed & Clock) == 0) return;
        if ((value & Clock) == 0)
        {
            // The next bit comes with the falling edge; the address goes on by itself and wraps.
            if (_isReading) _bitOut = _bitOut == Words * 16 ? 1 : _bitOut + 1;
            return;
        }
        if (_isReading || _bitsIn == OrderBits) return;
        _order = _order << 1 | (value & DataIn) >> 2;
        // Everything before the start bit is nothing.
        if (_order == 0) return;
        if (++_bitsIn != OrderBits) return;
        _isReading = _order >> AddressBits == ReadOrder;
        _order &= Words - 1;
    }

    /// <summary>EERD: the word is there at once.</summary>
    internal void Read(uint value)
    {
        int word = (int)(value >> 8) & 0xff;
        _register = (value & ~(ReadDone | 0xffff_0000)) & ~ReadStart;
        if ((value & ReadStart) != 0) _register |= ReadDone | (uint)(word < Words ? _words[word] : 0) << 16;
    }

    /// <summary>Saves or restores the lines' state.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("lines", ref _lines);
        fields.Value("order", ref _order);
        fields.Value("register", ref _register);
        fields.Value("bits-in", ref _bitsIn, 0, OrderBits);
        fields.Value("bit-out", ref _bitOut, 0, Words * 16);
        fields.Value("is-reading", ref _isReading);
    }
}
