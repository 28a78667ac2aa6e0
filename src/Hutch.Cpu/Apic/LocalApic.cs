using System;
using System.Threading;

namespace Hutch.Cpu.Apic;

/// <summary>
/// The local APIC of one vCPU (Intel SDM 3A chapter 11; AMD APM 2 chapter 16).
/// <para>Threads: registers belong to the vCPU's thread. <see cref="Deliver"/> and the matching predicates may be called by any
/// thread: they touch only atomic words (IRR, TMR, events) and read single words that the vCPU publishes.</para>
/// <para>What the run loop does. Senders change state first and then <see cref="SoftVcpu.Kick"/>, so the loop clears
/// <c>Context->ExternalRequest</c> with a full fence (Interlocked) before it looks here:</para>
/// <code>
/// if (Apic.HasWork) {
///   if (Apic.TakeInit()) { architectural INIT; boot vCPU: run from the reset vector, others: wait for SIPI }
///   if (waiting for SIPI) { int page = Apic.TakeSipi(); if (page >= 0) start at page &lt;&lt; 12 }
///   else if (NMIs not blocked and Apic.TakeNmi()) deliver vector 2
///   else if (Apic.TryGetInterrupt(true, out bool ext, out byte vector)) {
///     if (IF is clear or shadow) remember (MaskedInterrupt)
///     else if (ext) { int v = Exits.AcknowledgeExternalInterrupt(); if (v >= 0) deliver v }
///     else { Apic.Acknowledge(vector); deliver vector }
///   }
/// }
/// </code>
/// </summary>
internal sealed class LocalApic : IDisposable
{
    /// <summary>Version 0x14, six LVT entries, no EOI broadcast suppression.</summary>
    internal const uint VersionValue = 0x0005_0014;

    // Bits of _events: SIPI vector 0-7, number of NMIs that wait 10-11 (at most one in service and one behind it, as on hardware).
    private const int SipiPending = 1 << 8, InitPending = 1 << 9, OneNmi = 1 << 10, NmiPending = 3 << 10, WaitingForSipiBit = 1 << 12;

    // A vector of 15 or less cannot be received (ESR bit 6).
    private const int FirstVector = 16;

    private readonly SoftVcpu _vcpu;
    private readonly ApicRegisters _registers;
    private int _events;
    private int _ppr, _highestIsr = -1;
    private bool _externalInterrupt;

    public LocalApic(SoftVcpu vcpu)
    {
        _vcpu = vcpu;
        Timer = new ApicTimer(this, vcpu);
        _registers = new ApicRegisters(this, vcpu);
    }

    /// <summary>Interrupt request register: accepted, not yet dispatched.</summary>
    internal VectorBits Irr { get; } = new();

    /// <summary>In-service register: dispatched, not yet ended.</summary>
    internal VectorBits Isr { get; } = new();

    /// <summary>Trigger mode register: set for level-triggered vectors.</summary>
    internal VectorBits Tmr { get; } = new();

    internal ApicTimer Timer { get; }

    internal ApicRegisters Registers => _registers;

    /// <summary>Enabled how. Any thread.</summary>
    public ApicMode Mode => _registers.Mode;

    /// <summary>The processor priority: what interrupts must exceed. Any thread may read it.</summary>
    internal int ProcessorPriority => Volatile.Read(ref _ppr);

    /// <summary>CR8: bits 4-7 of TPR. The vCPU's thread; works whatever the APIC's mode.</summary>
    public ulong Cr8
    {
        get => _registers.TaskPriority >> 4;
        set => SetTaskPriority((uint)(value & 15) << 4);
    }

    /// <summary>
    /// Something may need the run loop: an INIT; a SIPI while waiting for one; an NMI that is not blocked; an interrupt above the
    /// processor priority, or the PIC's. Does not look at RFLAGS.IF. The vCPU's thread; a few loads.
    /// </summary>
    public bool HasWork
    {
        get
        {
            int events = Volatile.Read(ref _events);
            if ((events & InitPending) != 0) return true;
            if ((events & WaitingForSipiBit) != 0) return (events & SipiPending) != 0;
            return ((events & NmiPending) != 0 && !IsNmiBlocked) || TryGetInterrupt(true, out _, out _);
        }
    }

    /// <summary>INIT was taken and no SIPI since: nothing else wakes this vCPU. Set by <see cref="Reset"/> for all but the boot vCPU.</summary>
    public bool WaitingForSipi => (Volatile.Read(ref _events) & WaitingForSipiBit) != 0;

    /// <summary>An NMI waits, blocked or not.</summary>
    public bool IsNmiPending => (Volatile.Read(ref _events) & NmiPending) != 0;

    private unsafe bool IsNmiBlocked => _vcpu.Context->NmiBlocked != 0;

    private unsafe bool IsBootVcpu => (_vcpu.Context->ApicBase & ApicBase.BootProcessor) != 0;

    /// <summary>
    /// Takes a pending INIT. True: the APIC is now in its INIT state (SDM 3A §11.4.7.3; mode and base stay), and the caller does the rest of the
    /// processor: the boot vCPU goes on at the reset vector, others wait (<see cref="WaitingForSipi"/>).
    /// </summary>
    public bool TakeInit()
    {
        if ((Volatile.Read(ref _events) & InitPending) == 0) return false;
        ResetRegisters();
        bool boot = IsBootVcpu;
        // A SIPI that came after the INIT stays: senders do not wait for the target to have seen the first.
        Change(clear: InitPending | NmiPending, set: boot ? 0 : WaitingForSipiBit);
        if (boot) Change(clear: SipiPending, set: 0);
        return true;
    }

    /// <summary>Takes a pending start-up IPI while waiting for one: its vector (start at vector &lt;&lt; 12), or -1. Ends the wait.</summary>
    public int TakeSipi()
    {
        int events = Volatile.Read(ref _events);
        if ((events & (SipiPending | WaitingForSipiBit | InitPending)) != (SipiPending | WaitingForSipiBit)) return -1;
        Change(clear: SipiPending | WaitingForSipiBit, set: 0);
        return events & 0xff;
    }

    /// <summary>Takes a pending NMI. The caller has checked that NMIs are not blocked.</summary>
    public bool TakeNmi()
    {
        if ((Volatile.Read(ref _events) & NmiPending) == 0) return false;
        Interlocked.Add(ref _events, -OneNmi);
        return true;
    }

    /// <summary>
    /// The interrupt that would be taken now if RFLAGS.IF allows it. No side effect; the vCPU's thread.
    /// </summary>
    /// <param name="extIntAllowed">False leaves the PIC out.</param>
    /// <param name="isExtInt">The PIC asks (through LINT0 or a disabled APIC): get the vector from <c>Exits.AcknowledgeExternalInterrupt</c>,
    /// and do not call <see cref="Acknowledge"/>.</param>
    /// <param name="vector">The vector, unless <paramref name="isExtInt"/>.</param>
    public bool TryGetInterrupt(bool extIntAllowed, out bool isExtInt, out byte vector)
    {
        vector = 0;
        isExtInt = extIntAllowed && Volatile.Read(ref _externalInterrupt) && _registers.AcceptsExternalInterrupt;
        if (isExtInt) return true;
        if (_registers.Mode == ApicMode.Disabled) return false;
        int highest = Irr.Highest;
        if (highest >> 4 <= _ppr >> 4) return false;
        vector = (byte)highest;
        return true;
    }

    /// <summary>The processor takes a vector that <see cref="TryGetInterrupt"/> gave: from IRR to ISR. The vCPU's thread.</summary>
    public void Acknowledge(byte vector)
    {
        Irr.Clear(vector);
        Isr.Set(vector);
        _highestIsr = Math.Max(_highestIsr, vector);
        UpdatePriority();
    }

    /// <summary>As <see cref="TryGetInterrupt"/> without the PIC.</summary>
    public bool HasInterrupt(out byte vector) => TryGetInterrupt(false, out _, out vector);

    /// <summary>Whether a physical address is in this APIC's enabled xAPIC page.</summary>
    public unsafe bool ClaimsMmio(ulong physical) =>
        ((physical ^ _vcpu.Context->ApicBase) & ApicBase.AddressMask) == 0 && _registers.Mode == ApicMode.XApic;

    /// <summary>Reads from the xAPIC page; <paramref name="offset"/> 0 to 0xfff, 1 to 8 bytes (only aligned 32-bit accesses are defined).</summary>
    public void ReadMmio(ulong offset, Span<byte> data) => _registers.ReadMmio((int)offset & 0xfff, data);

    /// <summary>Writes to the xAPIC page. Anything but an aligned 32-bit access is dropped.</summary>
    public void WriteMmio(ulong offset, ReadOnlySpan<byte> data) => _registers.WriteMmio((int)offset & 0xfff, data);

    /// <summary>Power-on state, mode and base included (IA32_APIC_BASE must have been reset before). The vCPU is stopped or on its own thread.</summary>
    public void Reset()
    {
        _registers.UpdateMode(resetIds: true);
        ResetRegisters();
        Volatile.Write(ref _events, IsBootVcpu ? 0 : WaitingForSipiBit);
    }

    /// <summary>Restores whether the vCPU waits for a SIPI and whether an NMI is pending, for a loaded state.</summary>
    public void RestoreEvents(bool waitingForSipi, bool nmiPending) =>
        Volatile.Write(ref _events, (waitingForSipi ? WaitingForSipiBit : 0) | (nmiPending ? OneNmi : 0));

    /// <summary>Copies the registers out in xAPIC page layout (see <see cref="Core.Engine.X86VcpuState.LocalApic"/>). The vCPU is stopped.</summary>
    public void Save(Span<byte> page) => _registers.Save(page);

    /// <summary>Replaces the registers. IA32_APIC_BASE has been restored before. The vCPU is stopped.</summary>
    public void Restore(ReadOnlySpan<byte> page)
    {
        _registers.Restore(page);
        _highestIsr = Isr.Highest;
        UpdatePriority();
        _vcpu.Kick();
    }

    /// <summary>
    /// Any thread: a message for this APIC. Fixed and lowest-priority interrupts are dropped while the APIC is disabled in hardware or by SVR.
    /// </summary>
    public void Deliver(DeliveryMode mode, byte vector, bool level)
    {
        switch (mode)
        {
            case DeliveryMode.Fixed or DeliveryMode.LowestPriority:
                if (_registers.IsSoftwareEnabled) Accept(vector, level);
                break;
            case DeliveryMode.Nmi:
                AcceptNmi();
                break;
            case DeliveryMode.Init:
                // Drops a SIPI that came before it.
                Change(clear: SipiPending | 0xff, set: InitPending);
                _vcpu.Kick();
                break;
            case DeliveryMode.StartUp:
                AcceptSipi(vector);
                break;
        }
    }

    /// <summary>Any thread: the level of the PIC's output.</summary>
    public void SetExternalInterrupt(bool asserted)
    {
        Volatile.Write(ref _externalInterrupt, asserted);
        Interlocked.MemoryBarrier();
        if (asserted && _registers.AcceptsExternalInterrupt) _vcpu.Kick();
    }

    /// <summary>A local source fires: delivers what its LVT entry says, unless masked. Any thread.</summary>
    internal void DeliverLocal(uint lvt)
    {
        if ((lvt & ApicRegisters.LvtMasked) != 0) return;
        var mode = (DeliveryMode)(lvt >> 8 & 7);
        if (mode is DeliveryMode.Fixed or DeliveryMode.Nmi) Deliver(mode, (byte)lvt, level: false);
    }

    /// <summary>EOI: ends the highest interrupt in service.</summary>
    internal void EndOfInterrupt()
    {
        int vector = _highestIsr;
        if (vector < 0) return;
        Isr.Clear(vector);
        _highestIsr = Isr.Highest;
        UpdatePriority();
        if (Tmr[vector]) _vcpu.Exits.EndOfInterrupt((byte)vector);
        Recheck();
    }

    internal void SetTaskPriority(uint value)
    {
        bool lower = value < _registers.TaskPriority;
        _registers.TaskPriority = value;
        UpdatePriority();
        if (lower) Recheck();
    }

    /// <summary>After a change that may unblock an interrupt: has the vCPU look again before it executes much more.</summary>
    internal void Recheck()
    {
        if (TryGetInterrupt(true, out _, out _)) _vcpu.Kick();
    }

    /// <summary>The state after INIT, and after the APIC was disabled and enabled again.</summary>
    internal void ResetRegisters()
    {
        Timer.Reset();
        Irr.Clear();
        Isr.Clear();
        Tmr.Clear();
        _highestIsr = -1;
        _registers.Reset();
        UpdatePriority();
    }

    private void Accept(byte vector, bool level)
    {
        if (vector < FirstVector)
        {
            _registers.RaiseError(ApicRegisters.ReceiveIllegalVector);
            return;
        }
        if (level) Tmr.Set(vector);
        else if (Tmr[vector]) Tmr.Clear(vector);
        // Whoever set the bit first kicks (or is about to).
        if (Irr.Set(vector)) _vcpu.Kick();
    }

    private void AcceptNmi()
    {
        int most = IsNmiBlocked ? OneNmi : 2 * OneNmi, old;
        do
        {
            old = Volatile.Read(ref _events);
            if ((old & NmiPending) >= most) return;
        }
        while (Interlocked.CompareExchange(ref _events, old + OneNmi, old) != old);
        _vcpu.Kick();
    }

    private void AcceptSipi(byte vector)
    {
        int old, changed;
        do
        {
            old = Volatile.Read(ref _events);
            if ((old & (InitPending | WaitingForSipiBit)) == 0) return;
            changed = (old & ~0xff) | SipiPending | vector;
        }
        while (Interlocked.CompareExchange(ref _events, changed, old) != old);
        _vcpu.Kick();
    }

    private void Change(int clear, int set)
    {
        int old;
        do old = Volatile.Read(ref _events);
        while (Interlocked.CompareExchange(ref _events, (old & ~clear) | set, old) != old);
    }

    // SDM 3A §11.8.3.1: the higher class of TPR and the interrupt in service; TPR's sub-class only where TPR has the higher or the same class.
    private void UpdatePriority()
    {
        int inService = Math.Max(_highestIsr, 0) & 0xf0, task = (int)_registers.TaskPriority;
        Volatile.Write(ref _ppr, (task & 0xf0) >= inService ? task : inService);
    }

    /// <inheritdoc/>
    public void Dispose() => Timer.Dispose();
}
