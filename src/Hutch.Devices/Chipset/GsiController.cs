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
    /// <summary>PCI interrupts, at the IOAPIC's pins from 16 on.</summary>
    public const int PirqCount = 8;

    private const int TimerInput = 0, TimerPin = 2, IsaInputs = 16, NotRouted = -1;

    private readonly Lock _lock = new();
    private readonly Pic _pic;
    private readonly Ioapic _ioapic;
    private readonly bool _routesReachIoapic;
    private readonly int[] _assertedSources = new int[Ioapic.PinCount];
    private readonly Source[] _direct = new Source[Ioapic.PinCount];
    private readonly int[] _routes = [NotRouted, NotRouted, NotRouted, NotRouted, NotRouted, NotRouted, NotRouted, NotRouted];

    /// <summary>Joins the two controllers.</summary>
    /// <param name="pic">Of the ISA interrupts.</param>
    /// <param name="ioapic">Of all.</param>
    /// <param name="routesReachIoapic">
    /// A PCI interrupt that is led to an ISA interrupt reaches the IOAPIC there too, as behind a PIIX3 (MultiProcessor tables of its firmware say so), and not only the PIC.
    /// </param>
    public GsiController(Pic pic, Ioapic ioapic, bool routesReachIoapic = false)
    {
        _routesReachIoapic = routesReachIoapic;
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

    /// <summary>
    /// Leads a PCI interrupt also to an input of the PIC, as the PIRQ routing registers do (Intel ICH9 data sheet §13.1.14), for guests that do not use the IOAPIC.
    /// </summary>
    /// <param name="pirq">0 to 7 for PIRQA to PIRQH.</param>
    /// <param name="irq">ISA interrupt, or null: it goes to the IOAPIC alone.</param>
    public void RoutePirq(int pirq, int? irq)
    {
        lock (_lock)
        {
            int before = _routes[pirq];
            _routes[pirq] = irq is int number and not TimerPin and >= 0 and < IsaInputs ? number : NotRouted;
            if (before == _routes[pirq]) return;
            if (before != NotRouted) UpdateIsa(before);
            if (_routes[pirq] != NotRouted) UpdateIsa(_routes[pirq]);
        }
    }

    /// <summary>As <see cref="RoutePirq"/>, by a routing register: bit 7 switches the way to the PIC off, and some interrupts are reserved (Intel ICH9 data sheet §13.1.14).</summary>
    public void RoutePirqBy(int pirq, byte register)
    {
        bool isOn = (register & 0x80) == 0 && register is >= 3 and not 8 and not 13;
        RoutePirq(pirq, isOn ? register & 0x0f : null);
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
        if (gsi < IsaInputs) UpdateIsa(gsi);
        else if (gsi - IsaInputs < PirqCount && _routes[gsi - IsaInputs] is int routed and not NotRouted) UpdateIsa(routed);
        if (gsi >= IsaInputs || !_routesReachIoapic) _ioapic.SetInput(gsi == TimerInput ? TimerPin : gsi, asserted);
    }

    private void UpdateIsa(int irq)
    {
        bool asserted = _assertedSources[irq] != 0;
        for (int pirq = 0; pirq < PirqCount; pirq++) asserted |= _routes[pirq] == irq && _assertedSources[IsaInputs + pirq] != 0;
        _pic.SetInput(irq, asserted);
        if (_routesReachIoapic) _ioapic.SetInput(irq == TimerInput ? TimerPin : irq, asserted);
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
