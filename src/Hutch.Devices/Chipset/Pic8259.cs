using Hutch.Core.State;

namespace Hutch.Devices.Chipset;

/// <summary>
/// One 8259A (Intel 8259A data sheet, order 231468; section names below are its headings). Not thread-safe: <see cref="Pic"/>,
/// which joins two of them, holds the lock.
/// </summary>
internal sealed class Pic8259(bool isMaster)
{
    private const int Cascade = 2;

    private enum InitStep { Ready, Icw2, Icw3, Icw4 }

    private InitStep _step;
    private bool _needsIcw4, _single, _levelTriggered, _autoEoi, _fullyNested;
    private bool _specialMask, _rotateOnAutoEoi, _readInService, _poll;
    private byte _edges, _lines, _inService, _mask, _vectorBase, _edgeLevel;
    private int _highest;

    /// <summary>ICW2 arrived since power-on, so that vectors mean something.</summary>
    public bool IsInitialised { get; private set; }

    /// <summary>ELCR bits: inputs that are level-triggered.</summary>
    public byte EdgeLevel
    {
        get => _edgeLevel;
        set
        {
            _edgeLevel = value;
            _edges &= (byte)~value;
        }
    }

    private byte LevelInputs => _levelTriggered ? (byte)0xff : (byte)(_edgeLevel | (isMaster ? 1 << Cascade : 0));

    private byte Requests => (byte)(_edges | (_lines & LevelInputs));

    /// <summary>Power-on state. The levels of the inputs stay, as they belong to the devices.</summary>
    public void Reset()
    {
        StartInitialisation(0);
        _step = InitStep.Ready;
        _edgeLevel = 0;
        _vectorBase = 0;
        IsInitialised = false;
    }

    /// <summary>Sets the level of one input ("Edge and Level Triggered Modes"). A latched edge stays until it is acknowledged.</summary>
    public void SetInput(int input, bool asserted)
    {
        byte bit = (byte)(1 << input);
        if (asserted && (_lines & bit) == 0 && (LevelInputs & bit) == 0) _edges |= bit;
        if (asserted) _lines |= bit; else _lines &= (byte)~bit;
    }

    /// <summary>The input that may interrupt now, or -1 ("Fully Nested Mode", "Special Mask Mode", "Special Fully Nested Mode").</summary>
    public int PendingInput()
    {
        int request = FirstByPriority((byte)(Requests & ~_mask));
        if (request < 0) return -1;
        byte blocking = _inService;
        if (_specialMask) blocking &= (byte)~_mask;
        if (_fullyNested && isMaster) blocking &= unchecked((byte)~(1 << Cascade));
        int served = FirstByPriority(blocking);
        return served < 0 || Rank(request) < Rank(served) ? request : -1;
    }

    /// <summary>INTA: takes the pending input into service. Returns it, or -1 when there is none (a spurious interrupt).</summary>
    public int Acknowledge()
    {
        int input = PendingInput();
        if (input < 0) return -1;
        byte bit = (byte)(1 << input);
        _edges &= (byte)~bit;
        if (!_autoEoi) _inService |= bit;
        else if (_rotateOnAutoEoi) _highest = (input + 1) & 7;
        return input;
    }

    /// <summary>The interrupt vector of an input in 8086 mode.</summary>
    public int VectorOf(int input) => _vectorBase | input;

    /// <summary>Reads A0 = 0 (IRR or ISR) or A0 = 1 (IMR); after a poll command the next read is the poll word.</summary>
    public byte Read(bool a0)
    {
        if (_poll)
        {
            _poll = false;
            int input = Acknowledge();
            return input < 0 ? (byte)0 : (byte)(0x80 | input);
        }
        if (a0) return _mask;
        return _readInService ? _inService : Requests;
    }

    /// <summary>Writes A0 = 0 (ICW1, OCW2, OCW3) or A0 = 1 (ICW2 to ICW4, OCW1).</summary>
    public void Write(bool a0, byte value)
    {
        if (a0) WriteData(value);
        else if ((value & 0x10) != 0) StartInitialisation(value);
        else if ((value & 0x08) != 0) WriteOcw3(value);
        else WriteOcw2(value);
    }

    /// <summary>Saves or restores everything, the levels of the inputs included: a wire that is driven again after this must not make an edge.</summary>
    public void Exchange(StateFields fields)
    {
        int step = (int)_step;
        fields.Value("step", ref step, 0, (int)InitStep.Icw4);
        _step = (InitStep)step;
        bool initialised = IsInitialised;
        fields.Value("initialised", ref initialised);
        IsInitialised = initialised;
        fields.Value("needs-icw4", ref _needsIcw4);
        fields.Value("single", ref _single);
        fields.Value("level-triggered", ref _levelTriggered);
        fields.Value("auto-eoi", ref _autoEoi);
        fields.Value("fully-nested", ref _fullyNested);
        fields.Value("special-mask", ref _specialMask);
        fields.Value("rotate-on-auto-eoi", ref _rotateOnAutoEoi);
        fields.Value("read-in-service", ref _readInService);
        fields.Value("poll", ref _poll);
        fields.Value("edges", ref _edges);
        fields.Value("lines", ref _lines);
        fields.Value("in-service", ref _inService);
        fields.Value("mask", ref _mask);
        fields.Value("vector-base", ref _vectorBase);
        fields.Value("edge-level", ref _edgeLevel);
        fields.Value("highest", ref _highest, 0, 7);
    }

    private void StartInitialisation(byte icw1)
    {
        _needsIcw4 = (icw1 & 1) != 0;
        _single = (icw1 & 2) != 0;
        _levelTriggered = (icw1 & 8) != 0;
        _step = InitStep.Icw2;
        _edges = _inService = _mask = 0;
        _highest = 0;
        _specialMask = _readInService = _poll = false;
        _autoEoi = _fullyNested = _rotateOnAutoEoi = false;
    }

    private void WriteData(byte value)
    {
        switch (_step)
        {
            case InitStep.Icw2:
                _vectorBase = (byte)(value & 0xf8);
                IsInitialised = true;
                _step = _single ? AfterIcw3() : InitStep.Icw3;
                break;
            case InitStep.Icw3:
                _step = AfterIcw3();
                break;
            case InitStep.Icw4:
                _fullyNested = (value & 0x10) != 0;
                _autoEoi = (value & 0x02) != 0;
                _step = InitStep.Ready;
                break;
            default:
                _mask = value;
                break;
        }
    }

    private InitStep AfterIcw3() => _needsIcw4 ? InitStep.Icw4 : InitStep.Ready;

    private void WriteOcw2(byte value)
    {
        int level = value & 7;
        switch (value >> 5)
        {
            case 0: _rotateOnAutoEoi = false; break;
            case 4: _rotateOnAutoEoi = true; break;
            case 1: EndNonSpecific(); break;
            case 5:
                int ended = EndNonSpecific();
                if (ended >= 0) _highest = (ended + 1) & 7;
                break;
            case 3: _inService &= (byte)~(1 << level); break;
            case 7:
                _inService &= (byte)~(1 << level);
                _highest = (level + 1) & 7;
                break;
            case 6: _highest = (level + 1) & 7; break;
        }
    }

    private void WriteOcw3(byte value)
    {
        if ((value & 0x40) != 0) _specialMask = (value & 0x20) != 0;
        if ((value & 0x04) != 0) _poll = true;
        else if ((value & 0x02) != 0) _readInService = (value & 0x01) != 0;
    }

    private int EndNonSpecific()
    {
        // In special mask mode a masked in-service bit is not cleared by a non-specific EOI ("End of Interrupt").
        byte candidates = _specialMask ? (byte)(_inService & ~_mask) : _inService;
        int served = FirstByPriority(candidates);
        if (served >= 0) _inService &= (byte)~(1 << served);
        return served;
    }

    private int Rank(int input) => (input - _highest) & 7;

    private int FirstByPriority(byte bits)
    {
        if (bits == 0) return -1;
        for (int rank = 0; ; rank++)
        {
            int input = (_highest + rank) & 7;
            if ((bits & (1 << input)) != 0) return input;
        }
    }
}
