using Hutch.Core.State;

namespace Hutch.Devices.Ethernet;

/// <summary>
/// An EEPROM of 64 words of 16 bits on three wires, as the 93C46 (Microchip DS21749): behind a start bit come two bits of order and six of address, and then, with each
/// falling edge of the clock, a bit of the word. It is not written: its content is the machine's definition. Under its card's lock.
/// </summary>
internal sealed class MicrowireEeprom
{
    /// <summary>Words that it has.</summary>
    internal const int Words = 64;

    private const int OrderBits = 9, AddressBits = 6;
    private const uint ReadOrder = 0b110;

    private readonly ushort[] _words;
    private uint _order;
    private int _bitsIn, _bitOut;
    private bool _isSelected, _clock, _isReading;

    internal MicrowireEeprom(ushort[] words) => _words = words;

    /// <summary>The data wire: pulled up while nothing drives it.</summary>
    internal bool Output => !_isReading || (_bitOut > 0 && (_words[(_order + (uint)((_bitOut - 1) >> 4)) & (Words - 1)] >> (15 - ((_bitOut - 1) & 15)) & 1) != 0);

    /// <summary>A word; 0 where there is none.</summary>
    internal ushort this[int word] => word < Words ? _words[word] : (ushort)0;

    /// <summary>Power-on state.</summary>
    internal void Reset()
    {
        (_order, _bitsIn, _bitOut) = (0, 0, 0);
        (_isSelected, _clock, _isReading) = (false, false, false);
    }

    /// <summary>The driver moves the wires.</summary>
    internal void Set(bool select, bool clock, bool input)
    {
        bool begins = select && !_isSelected, edge = clock != _clock;
        (_isSelected, _clock) = (select, clock);
        if (!select) return;
        if (begins)
        {
            (_order, _bitsIn, _bitOut) = (0, 0, 0);
            _isReading = false;
        }
        if (!edge) return;
        if (!clock)
        {
            // The address goes on by itself, and wraps.
            if (_isReading) _bitOut = _bitOut == Words * 16 ? 1 : _bitOut + 1;
            return;
        }
        if (_isReading || _bitsIn == OrderBits) return;
        _order = _order << 1 | (input ? 1u : 0);
        // What comes before the start bit is nothing.
        if (_order == 0 || ++_bitsIn != OrderBits) return;
        _isReading = _order >> AddressBits == ReadOrder;
        _order &= Words - 1;
    }

    /// <summary>Saves or restores the state of the wires.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("order", ref _order);
        fields.Value("bits-in", ref _bitsIn, 0, OrderBits);
        fields.Value("bit-out", ref _bitOut, 0, Words * 16);
        fields.Value("is-selected", ref _isSelected);
        fields.Value("clock", ref _clock);
        fields.Value("is-reading", ref _isReading);
    }
}
