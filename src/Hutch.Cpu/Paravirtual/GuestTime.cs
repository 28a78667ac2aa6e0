namespace Hutch.Cpu.Paravirtual;

/// <summary>
/// Time as one vCPU sees it. Guest TSC = host TSC + <c>Context->TscOffset</c> at all times and at the host's frequency, because translated code executes
/// RDTSC itself; all vCPUs begin with the offset that makes the TSC count from the machine's creation.
/// </summary>
internal sealed unsafe class GuestTime(SoftVcpu vcpu, TscClock clock)
{
    /// <summary>IA32_TSC_ADJUST: the sum of what the guest moved its TSC by (Intel SDM 3B §17.17.3).</summary>
    public ulong TscAdjust { get; private set; }

    /// <summary>The machine's calibration.</summary>
    public TscClock Clock => clock;

    /// <summary>TSC frequency in kHz.</summary>
    public ulong FrequencyKhz => clock.Khz;

    /// <summary>The guest's TSC now. Any thread.</summary>
    public ulong ReadTsc() => TscAt(clock.ReadTsc());

    /// <summary>The guest's TSC at a reading of the host's. Any thread.</summary>
    public ulong TscAt(ulong hostTsc) => hostTsc + System.Threading.Volatile.Read(ref vcpu.Context->TscOffset);

    /// <summary>As <see cref="TscClock.TicksToNanoseconds"/>.</summary>
    public long TicksToNanoseconds(ulong ticks) => clock.TicksToNanoseconds(ticks);

    /// <summary>WRMSR IA32_TSC. The vCPU's thread.</summary>
    public void WriteTsc(ulong value) => Move(value - ReadTsc());

    /// <summary>WRMSR IA32_TSC_ADJUST: moves the TSC by the difference to the old value.</summary>
    public void WriteTscAdjust(ulong value) => Move(value - TscAdjust);

    /// <summary>The state after reset.</summary>
    public void Reset()
    {
        TscAdjust = 0;
        vcpu.Context->TscOffset = 0 - clock.Reference.Tsc;
    }

    /// <summary>Lets the TSC go on from <paramref name="value"/> at the host's <paramref name="hostTsc"/>. The vCPU is stopped.</summary>
    public void GoOn(ulong value, ulong hostTsc)
    {
        System.Threading.Volatile.Write(ref vcpu.Context->TscOffset, value - hostTsc);
        vcpu.Apic.Timer.OnTscChanged();
        vcpu.Msrs.KvmClock.Publish();
    }

    /// <summary>Restores IA32_TSC_ADJUST without moving the TSC, which <see cref="GoOn"/> sets.</summary>
    public void RestoreTscAdjust(ulong value) => TscAdjust = value;

    private void Move(ulong delta)
    {
        if (delta == 0) return;
        TscAdjust += delta;
        System.Threading.Volatile.Write(ref vcpu.Context->TscOffset, vcpu.Context->TscOffset + delta);
        vcpu.Apic.Timer.OnTscChanged();
        vcpu.Msrs.KvmClock.Publish();
    }
}
