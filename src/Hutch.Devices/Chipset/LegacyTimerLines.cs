using System.Threading;
using Hutch.Core.Interrupts;

namespace Hutch.Devices.Chipset;

/// <summary>
/// The two interrupts that the PIT and the RTC have, or timers 0 and 1 of the HPET in their place (IA-PC HPET 1.0a §2.3.5, LEG_RT_CNF). What is cut off keeps its level and
/// shows it when it is back. The lock is taken inside device locks, and only interrupt controllers are called while it is held.
/// </summary>
internal sealed class LegacyTimerLines : IInterruptSink
{
    /// <summary>The sources.</summary>
    internal const int Pit = 0, Rtc = 1, FirstHpetTimer = 2;

    private const int LineCount = 2;

    private readonly Lock _lock = new();
    private readonly InterruptLine[] _lines;
    private readonly bool[] _levels = new bool[2 * LineCount];
    private bool _isReplaced;

    /// <summary>Creates the switch, with the PIT and the RTC on.</summary>
    internal LegacyTimerLines(InterruptLine timer, InterruptLine rtc) => _lines = [timer, rtc];

    /// <summary>Lets the HPET have the interrupts, or the PIT and the RTC.</summary>
    internal void Replace(bool isReplaced)
    {
        lock (_lock)
        {
            if (isReplaced == _isReplaced) return;
            _isReplaced = isReplaced;
            for (int line = 0; line < LineCount; line++) _lines[line].SetLevel(_levels[line + (isReplaced ? LineCount : 0)]);
        }
    }

    /// <inheritdoc/>
    public void SetLine(int input, bool asserted)
    {
        lock (_lock)
        {
            _levels[input] = asserted;
            if (input >= LineCount == _isReplaced) _lines[input % LineCount].SetLevel(asserted);
        }
    }
}
