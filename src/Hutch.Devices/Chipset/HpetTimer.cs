using Hutch.Core.Interrupts;
using Hutch.Core.State;

namespace Hutch.Devices.Chipset;

/// <summary>
/// One comparator of the <see cref="Hpet"/> (IA-PC HPET 1.0a §2.3.8 to §2.3.9). Time is passed in as values of the main counter; nothing runs in between. Not
/// thread-safe: the owner holds its lock.
/// </summary>
internal sealed class HpetTimer
{
    /// <summary>A match that does not come, or not before a guest's end.</summary>
    internal const ulong Never = ulong.MaxValue;

    // Timer N configuration and capabilities (§2.3.8).
    private const uint LevelTriggered = 1 << 1, InterruptEnable = 1 << 2, Periodic = 1 << 3, PeriodicCapable = 1 << 4, SixtyFourBits = 1 << 5, SetValue = 1 << 6, ForceThirtyTwoBits = 1 << 8;
    private const uint Writable = LevelTriggered | InterruptEnable | Periodic | ForceThirtyTwoBits;
    private const int RouteShift = 9, RouteMask = 0x1f, RouteCapabilityShift = 32;

    private readonly InterruptLine[] _routes;
    private readonly InterruptLine? _replacement;
    private uint _configuration, _route;
    private ulong _comparator, _period;
    private bool _status, _isReplacing, _level;

    /// <summary>Creates it in its state after a reset.</summary>
    /// <param name="routes">Wires to the global system interrupts from <see cref="Hpet.FirstRoute"/> on.</param>
    /// <param name="replacement">The wire of legacy replacement (§2.3.5, LEG_RT_CNF); null: it has none.</param>
    internal HpetTimer(InterruptLine[] routes, InterruptLine? replacement)
    {
        _routes = routes;
        _replacement = replacement;
        Reset();
    }

    /// <summary>Its bit in the general interrupt status register (§2.3.6): only a level-triggered interrupt has one.</summary>
    internal bool Status => _status;

    /// <summary>The configuration and capabilities register.</summary>
    internal ulong Configuration => (((1UL << _routes.Length) - 1) << (RouteCapabilityShift + Hpet.FirstRoute)) | (_route << RouteShift) | _configuration | PeriodicCapable | SixtyFourBits;

    /// <summary>The comparator register: in periodic mode the next match (§2.3.9).</summary>
    internal ulong Comparator => _comparator;

    private bool IsLevel => (_configuration & LevelTriggered) != 0;

    private bool IsPeriodic => (_configuration & Periodic) != 0;

    private ulong Mask => (_configuration & ForceThirtyTwoBits) != 0 ? uint.MaxValue : ulong.MaxValue;

    /// <summary>Back to the state after a reset: nothing interrupts, and the comparator is all ones (§2.3.9).</summary>
    internal void Reset()
    {
        Lower();
        _configuration = 0;
        _route = 0;
        _comparator = ulong.MaxValue;
        _period = 0;
        _status = _isReplacing = false;
    }

    /// <summary>Writes the configuration register. A route that there is not leaves the old one, so that it reads back as another than was written (§2.3.8, INT_ROUTE_CNF).</summary>
    internal void Configure(ulong value, bool isEnabled)
    {
        Lower();
        _configuration = (uint)value & (Writable | ((value & Periodic) != 0 ? SetValue : 0));
        uint route = (uint)(value >> RouteShift) & RouteMask;
        if (route - Hpet.FirstRoute < (uint)_routes.Length) _route = route;
        _comparator &= Mask;
        _period &= Mask;
        if (!IsLevel) _status = false;
        Drive(isEnabled);
    }

    /// <summary>
    /// Writes the comparator (§2.3.9): in periodic mode what is written is the period, and the next match too where TN_VAL_SET_CNF says so, which holds for one write.
    /// </summary>
    /// <param name="value">The bits, at their places.</param>
    /// <param name="written">Which of the 64 bits are written.</param>
    internal void WriteComparator(ulong value, ulong written)
    {
        if (!IsPeriodic || (_configuration & SetValue) != 0) _comparator = ((_comparator & ~written) | (value & written)) & Mask;
        if (IsPeriodic) _period = ((_period & ~written) | (value & written)) & Mask;
        _configuration &= ~SetValue;
    }

    /// <summary>Clears the status bit (§2.3.6).</summary>
    internal void Acknowledge(bool isEnabled)
    {
        _status = false;
        Drive(isEnabled);
    }

    /// <summary>Moves the interrupt to the legacy wire or away from it.</summary>
    internal void Replace(bool isReplacing, bool isEnabled)
    {
        if (_replacement is null || isReplacing == _isReplacing) return;
        Lower();
        _isReplacing = isReplacing;
        Drive(isEnabled);
    }

    /// <summary>The main counter went on. Matches that were passed together are one, as an unserved interrupt is.</summary>
    /// <param name="from">Where it was when this was called last, or was set to since.</param>
    /// <param name="to">Where it is.</param>
    /// <returns>Whether an interrupt was sent.</returns>
    internal bool Advance(ulong from, ulong to)
    {
        ulong before = TicksBefore(from);
        if (to - from <= before) return false;
        ulong beyond = to - from - 1 - before;
        if (IsPeriodic && _period != 0) _comparator = (_comparator + (((beyond / _period) + 1) * _period)) & Mask;
        if (IsLevel)
        {
            if (_status) return false;
            _status = true;
            Drive(isEnabled: true);
            return (_configuration & InterruptEnable) != 0;
        }
        if ((_configuration & InterruptEnable) == 0) return false;
        Line.Pulse();
        return true;
    }

    /// <summary>Ticks from <paramref name="now"/> to the next interrupt; <see cref="Never"/>: nobody would notice one.</summary>
    internal ulong TicksToInterrupt(ulong now)
    {
        if ((_configuration & InterruptEnable) == 0 || _status) return Never;
        ulong before = TicksBefore(now);
        return before == Never ? Never : before + 1;
    }

    /// <summary>Sets the wire to what the registers say, where the interrupt is level-triggered; with the whole device disabled there is no interrupt (§2.3.5, ENABLE_CNF).</summary>
    internal void Drive(bool isEnabled)
    {
        bool level = isEnabled && _status && (_configuration & InterruptEnable) != 0;
        if (level == _level) return;
        _level = level;
        Line.SetLevel(level);
    }

    /// <summary>Saves or restores it.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("configuration", ref _configuration);
        fields.Value("route", ref _route);
        fields.Value("comparator", ref _comparator);
        fields.Value("period", ref _period);
        fields.Value("status", ref _status);
        fields.Require((_configuration & ~(Writable | SetValue)) == 0, "configuration");
        fields.Require(_route == 0 || _route - Hpet.FirstRoute < (uint)_routes.Length, "route");
        fields.Require(((_comparator | _period) & ~Mask) == 0, "comparator");
        fields.Require(IsLevel || !_status, "status");
    }

    // A route that was never chosen leads nowhere.
    private InterruptLine Line =>
        _isReplacing ? _replacement!.Value : _route - Hpet.FirstRoute < (uint)_routes.Length ? _routes[_route - Hpet.FirstRoute] : InterruptLine.Unconnected;

    // Ticks from a value of the counter up to the one before the next match: a match at this very value has been.
    private ulong TicksBefore(ulong counter) => (_comparator - counter - 1) & Mask;

    private void Lower()
    {
        if (_level) Line.SetLevel(false);
        _level = false;
    }
}
