using System;
using System.Threading;
using Hutch.Core.Interrupts;

namespace Hutch.Devices.Chipset;

/// <summary>
/// Carries the 24 global system interrupts to the IOAPIC and, below 16, also to the PIC. GSI n is IOAPIC pin n, but the
/// timer's ISA interrupt 0 is pin 2 (the MADT's override tells the guest), so nothing else may use input 2. Sources that
/// share a GSI are ORed. Lock order: device, this, PIC or IOAPIC, the engine's router.
/// </summary>
internal sealed class GsiController : IInterruptSink
{
    private const int TimerInput = 0, TimerPin = 2, IsaInputs = 16;

    private readonly Lock _lock = new();
    private readonly Pic _pic;
    private readonly Ioapic _ioapic;
    private readonly int[] _assertedSources = new int[Ioapic.PinCount];
    private readonly Source[] _direct = new Source[Ioapic.PinCount];

    /// <summary>Joins the two controllers.</summary>
    public GsiController(Pic pic, Ioapic ioapic)
    {
        _pic = pic;
        _ioapic = ioapic;
        for (int i = 0; i < _direct.Length; i++) _direct[i] = new Source(this, i);
    }

    /// <summary>A wire of its own to one GSI, for devices that share it with others.</summary>
    public InterruptLine Connect(int gsi)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(gsi);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(gsi, Ioapic.PinCount);
        return new InterruptLine(new Source(this, gsi), gsi);
    }

    /// <inheritdoc/>
    public void SetLine(int input, bool asserted)
    {
        if ((uint)input < (uint)_direct.Length) _direct[input].SetLine(input, asserted);
    }

    private void Count(int gsi, bool asserted)
    {
        int sources = _assertedSources[gsi] += asserted ? 1 : -1;
        if (sources != (asserted ? 1 : 0) || gsi == TimerPin) return;
        if (gsi < IsaInputs) _pic.SetInput(gsi, asserted);
        _ioapic.SetInput(gsi == TimerInput ? TimerPin : gsi, asserted);
    }

    private sealed class Source(GsiController owner, int gsi) : IInterruptSink
    {
        private bool _asserted;

        public void SetLine(int input, bool asserted)
        {
            lock (owner._lock)
            {
                if (asserted == _asserted) return;
                _asserted = asserted;
                owner.Count(gsi, asserted);
            }
        }
    }
}
