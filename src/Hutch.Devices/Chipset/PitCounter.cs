using Hutch.Core.State;

namespace Hutch.Devices.Chipset;

/// <summary>
/// One counter of an 8254 (Intel 8254 data sheet 231164, "Mode Definitions"). Time is passed in as CLK pulses since the machine
/// began, never decreasing; nothing runs in between. Not thread-safe: <see cref="Pit"/> holds the lock.
/// </summary>
internal sealed class PitCounter
{
    /// <summary>No tick: the output does not rise by itself.</summary>
    public const long Never = -1;

    /// <summary>The last tick that can be saved: a century away, and representable in nanoseconds.</summary>
    public const long Latest = 1L << 52;

    private int _mode, _access = 3;
    private bool _bcd, _gate, _running, _pendingReload, _nullCount, _hasCount, _writeHigh, _readHigh;
    private int _written, _programmed, _active, _latchedCount, _latchedBytes;
    private long _start, _reloadAt, _frozenElapsed = -1;
    private byte _lowByte;
    private int _latchedStatus = -1;

    /// <summary>Power-on state. The data sheet leaves the mode undefined; nothing counts until it is programmed.</summary>
    public PitCounter(bool gate) => _gate = gate;

    private int Modulus => _bcd ? 10_000 : 65_536;

    private bool IsPeriodic => _mode is 2 or 3;

    private bool IsHardwareTriggered => _mode is 1 or 5;

    /// <summary>Writes the control word for this counter (not a latch command).</summary>
    public void SetMode(byte control, long now)
    {
        _access = (control >> 4) & 3;
        _mode = (control >> 1) & 7;
        if (_mode > 5) _mode -= 4;
        _bcd = (control & 1) != 0;
        _running = _pendingReload = _hasCount = _writeHigh = _readHigh = false;
        _latchedBytes = 0;
        _latchedStatus = -1;
        _nullCount = true;
        _frozenElapsed = -1;
        _start = now;
        _programmed = _active = Modulus;
    }

    /// <summary>Writes a byte of the initial count ("Write Operations").</summary>
    public void Write(byte value, long now)
    {
        switch (_access)
        {
            case 1: _written = value; break;
            case 2: _written = value << 8; break;
            default:
                if (!_writeHigh)
                {
                    _lowByte = value;
                    _writeHigh = true;
                    if (_mode == 0) _running = false; // The first byte stops mode 0 ("Mode 0").
                    return;
                }
                _writeHigh = false;
                _written = _lowByte | (value << 8);
                break;
        }
        LoadCount(now);
    }

    /// <summary>Reads a byte: latched status, latched count, or the count as it runs ("Read Operations").</summary>
    public byte Read(long now)
    {
        if (_latchedStatus >= 0)
        {
            byte status = (byte)_latchedStatus;
            _latchedStatus = -1;
            return status;
        }
        if (_latchedBytes > 0)
        {
            bool high = _access == 2 || (_access == 3 && _latchedBytes == 1);
            _latchedBytes--;
            return (byte)(high ? _latchedCount >> 8 : _latchedCount);
        }
        int count = Encode(CountAt(now));
        if (_access == 1) return (byte)count;
        if (_access == 2) return (byte)(count >> 8);
        _readHigh = !_readHigh;
        return (byte)(_readHigh ? count : count >> 8);
    }

    /// <summary>Counter latch command: holds the count until it is read. A second latch before that is ignored.</summary>
    public void LatchCount(long now)
    {
        if (_latchedBytes > 0) return;
        _latchedCount = Encode(CountAt(now));
        _latchedBytes = _access == 3 ? 2 : 1;
    }

    /// <summary>Read-back command with STATUS: holds output, null count and the control word until read.</summary>
    public void LatchStatus(long now)
    {
        if (_latchedStatus >= 0) return;
        Settle(now);
        bool nullCount = _nullCount || _pendingReload || (_running && Elapsed(now) < 0);
        _latchedStatus = (Output(now) ? 0x80 : 0) | (nullCount ? 0x40 : 0) | (_access << 4) | (_mode << 1) | (_bcd ? 1 : 0);
    }

    /// <summary>Sets the GATE input ("Gate Pin Operations Summary").</summary>
    public void SetGate(bool gate, long now)
    {
        if (gate == _gate) return;
        Settle(now);
        bool freezes = _running && !IsHardwareTriggered;
        if (!gate && freezes) _frozenElapsed = Elapsed(now);
        _gate = gate;
        if (!gate) return;
        if (IsHardwareTriggered || IsPeriodic)
        {
            if (_hasCount) Trigger(now);
        }
        else if (freezes && _frozenElapsed >= 0)
        {
            _start = now - _frozenElapsed;
        }
        _frozenElapsed = -1;
    }

    /// <summary>Level of OUT.</summary>
    public bool Output(long now)
    {
        Settle(now);
        if (!_running) return _mode != 0;
        long elapsed = Elapsed(now);
        if (elapsed < 0) return _mode != 0;
        return _mode switch
        {
            0 or 1 => elapsed >= _active,
            2 => !_gate || elapsed % _active != _active - 1,
            3 => !_gate || elapsed % _active < (_active + 1) / 2,
            _ => elapsed != _active,
        };
    }

    /// <summary>The first tick after <paramref name="now"/> at which OUT rises, or <see cref="Never"/>.</summary>
    public long NextRise(long now)
    {
        Settle(now);
        if (!_running || (_frozenElapsed >= 0 && !IsHardwareTriggered)) return Never;
        if (IsPeriodic)
        {
            long elapsed = now - _start;
            return elapsed < 0 ? _start + _active : _start + (elapsed / _active + 1) * _active;
        }
        long rise = _start + _active + (_mode is 4 or 5 ? 1 : 0);
        return rise > now ? rise : Never;
    }

    /// <summary>Saves or restores the counter. Times are on the machine's clock, which is restored with it.</summary>
    public void Exchange(StateFields fields)
    {
        fields.Value("mode", ref _mode, 0, 5);
        fields.Value("access", ref _access, 0, 3);
        fields.Value("bcd", ref _bcd);
        fields.Value("gate", ref _gate);
        fields.Value("running", ref _running);
        fields.Value("pending-reload", ref _pendingReload);
        fields.Value("null-count", ref _nullCount);
        fields.Value("has-count", ref _hasCount);
        fields.Value("write-high", ref _writeHigh);
        fields.Value("read-high", ref _readHigh);
        fields.Value("written", ref _written, 0, 65_535);
        fields.Value("low-byte", ref _lowByte);
        fields.Value("programmed", ref _programmed, 0, 65_536);
        fields.Value("active", ref _active, 0, 65_536);
        fields.Value("latched-count", ref _latchedCount, 0, 65_535);
        fields.Value("latched-bytes", ref _latchedBytes, 0, 2);
        fields.Value("latched-status", ref _latchedStatus, -1, 255);
        fields.Value("start", ref _start, -Latest, Latest);
        fields.Value("reload-at", ref _reloadAt, -Latest, Latest);
        fields.Value("frozen-elapsed", ref _frozenElapsed, -1, Latest);
        // A count of 0 is that of a counter that was never programmed.
        fields.Require(_active > 0 || !_running, "active");
        fields.Require(_programmed > 0 || !(_running || _pendingReload || _hasCount), "programmed");
    }

    private void LoadCount(long now)
    {
        Settle(now);
        int count = _bcd ? Decode(_written) : _written;
        // A count of 1 is illegal in modes 2 and 3 ("Mode 2"); 2 is the shortest period there.
        _programmed = count == 0 ? Modulus : IsPeriodic && count == 1 ? 2 : count;
        _hasCount = true;
        if (IsHardwareTriggered)
        {
            _nullCount = true;
        }
        else if (IsPeriodic && _running)
        {
            _pendingReload = true;
            _reloadAt = NextBoundary(now);
        }
        else
        {
            Trigger(now);
            if (!_gate) _frozenElapsed = 0;
        }
    }

    private long NextBoundary(long now)
    {
        long elapsed = Elapsed(now);
        return elapsed < 0 ? _start : now - elapsed % _active + _active;
    }

    private void Trigger(long now)
    {
        _active = _programmed;
        _start = now + 1; // The count is loaded on the next CLK pulse.
        _running = true;
        _pendingReload = _nullCount = false;
        _frozenElapsed = -1;
    }

    private void Settle(long now)
    {
        if (!_pendingReload || _frozenElapsed >= 0 || now < _reloadAt) return;
        _pendingReload = false;
        _active = _programmed;
        _start = _reloadAt;
    }

    private long Elapsed(long now) => _frozenElapsed >= 0 ? _frozenElapsed : now - _start;

    private int CountAt(long now)
    {
        Settle(now);
        if (!_running) return _programmed % Modulus;
        long elapsed = Elapsed(now);
        if (elapsed < 0) return _active % Modulus;
        long count = _mode switch
        {
            2 => _active - elapsed % _active,
            3 => SquareWaveCount((int)(elapsed % _active)),
            _ => _active - elapsed % Modulus + Modulus,
        };
        return (int)(count % Modulus);
    }

    /// <summary>Mode 3 counts down by two, twice in a period; an odd count loses one in the high half and three in the low half.</summary>
    private int SquareWaveCount(int phase)
    {
        int high = (_active + 1) / 2, odd = _active & 1;
        if (phase < high) return phase == 0 ? _active : _active + odd - 2 * phase;
        int low = phase - high;
        return low == 0 ? _active : _active - odd - 2 * low;
    }

    private int Encode(int count)
    {
        if (!_bcd) return count;
        return count % 10 | (count / 10 % 10) << 4 | (count / 100 % 10) << 8 | (count / 1000 % 10) << 12;
    }

    private static int Decode(int bcd)
    {
        // Digits above nine cannot come from a sane guest; they count as their value, as in the down counter, within the range.
        int value = (bcd & 15) + (bcd >> 4 & 15) * 10 + (bcd >> 8 & 15) * 100 + (bcd >> 12 & 15) * 1000;
        return value % 10_000;
    }
}
