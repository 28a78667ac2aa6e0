using Hutch.Core.State;
using static Hutch.Devices.Ethernet.E1000.E1000Registers;

namespace Hutch.Devices.Ethernet.E1000;

/// <summary>The registers of a descriptor ring (§3.2.6, §3.4): the card owns the descriptors from head to tail, without the tail's. Under the card's lock.</summary>
internal sealed class E1000Ring
{
    private uint _base, _baseHigh, _length, _head, _tail;

    /// <summary>The next descriptor that the card uses.</summary>
    internal uint Head => _head;

    /// <summary>Descriptors of the ring; 0: there is no ring.</summary>
    internal uint Size => _length / DescriptorBytes;

    /// <summary>Descriptors that are the card's. None of a ring whose head or tail is outside of it.</summary>
    internal uint Available => _head >= Size || _tail >= Size ? 0 : _tail >= _head ? _tail - _head : Size - _head + _tail;

    /// <summary>Power-on state.</summary>
    internal void Reset() => (_base, _baseHigh, _length, _head, _tail) = (0, 0, 0, 0, 0);

    /// <summary>Address of the descriptor some steps behind the head. The steps are fewer than <see cref="Size"/>.</summary>
    internal ulong AddressOf(uint steps)
    {
        uint index = _head + steps;
        if (index >= Size) index -= Size;
        return (_base | (ulong)_baseHigh << 32) + (index * (ulong)DescriptorBytes);
    }

    /// <summary>The card gives descriptors back.</summary>
    internal void Advance(uint steps)
    {
        _head += steps;
        if (_head >= Size) _head -= Size;
    }

    /// <summary>A register, by its offset from the ring's first.</summary>
    internal uint Read(int offset) => offset switch
    {
        ReceiveBase - ReceiveBase => _base,
        ReceiveBaseHigh - ReceiveBase => _baseHigh,
        ReceiveLength - ReceiveBase => _length,
        ReceiveHead - ReceiveBase => _head,
        ReceiveTail - ReceiveBase => _tail,
        _ => 0,
    };

    /// <summary>Writes a register; offsets that the ring does not have are ignored. Rings are of whole lines of 128 bytes at addresses of 16.</summary>
    internal void Write(int offset, uint value)
    {
        switch (offset)
        {
            case ReceiveBase - ReceiveBase: _base = value & ~15u; break;
            case ReceiveBaseHigh - ReceiveBase: _baseHigh = value; break;
            case ReceiveLength - ReceiveBase: _length = value & 0xfff80; break;
            case ReceiveHead - ReceiveBase: _head = value & 0xffff; break;
            case ReceiveTail - ReceiveBase: _tail = value & 0xffff; break;
        }
    }

    /// <summary>Saves or restores the registers.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("base", ref _base);
        fields.Value("base-high", ref _baseHigh);
        fields.Value("length", ref _length);
        fields.Value("head", ref _head);
        fields.Value("tail", ref _tail);
        fields.Require((_length & ~0xfff80u) == 0, "length");
    }
}
