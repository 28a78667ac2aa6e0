namespace Hutch.Devices.Usb;

/// <summary>Notices that a walk along links goes around without anything to do, in little more than a round and without memory of where it was (Brent's algorithm).</summary>
internal sealed class RingWatch
{
    private ulong _mark;
    private int _steps, _limit;

    /// <summary>Something happened, or the walk begins: what was passed may be passed again.</summary>
    internal void Begin() => (_mark, _steps, _limit) = (ulong.MaxValue, 0, 1);

    /// <summary>Passes a place; true: it was passed before.</summary>
    internal bool IsClosedBy(ulong place)
    {
        if (place == _mark) return true;
        if (++_steps < _limit) return false;
        (_mark, _steps, _limit) = (place, 0, _limit * 2);
        return false;
    }
}
