using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Host.Linux;
using Hutch.Host.Scheduling;
using Hutch.Model.Control;
using Hutch.Model.Machine;
using Hutch.Vmm.Run;

namespace Hutch.Vmm.Hosting;

/// <summary>
/// Where a machine's threads run and how its memory is kept, while it lives. The state driver changes it, one change at a time; any thread may ask.
/// Changes throw <see cref="ConfigException"/> with what the host refused.
/// </summary>
internal sealed class HostPlacement(VcpuThreads vcpus, GuestMemory memory)
{
    // What the process could use when it began: pinning can be widened again up to this.
    private readonly CpuSet _allowed = HostThread.Current.Affinity;
    private readonly Dictionary<int, string> _pins = [];
    private volatile Placement _placement = Placement.Anywhere;
    private SchedulerClass? _scheduler;
    private bool _isPinnedAuto;

    /// <summary>Does what the definition says of threads. Memory and control group are done already.</summary>
    internal void Begin(Placement start)
    {
        _placement = start;
        if (start.PinAuto) PinAll();
        foreach (VcpuPin pin in start.VcpuPins) Pin(pin.Vcpu, pin.Cpus);
        if (start.EmulatorCpus is not null) PinEmulator(Cpus(start.EmulatorCpus, "--emulator-pin"));
        if (start.Scheduler is not null) Schedule(start.Scheduler);
    }

    /// <summary>Changes what is named in the options of a request; nothing where one of them is not understood.</summary>
    internal void Set(IReadOnlyDictionary<string, string> options)
    {
        List<Action> changes = [];
        foreach ((string name, string value) in options) changes.Add(Change(name, value));
        foreach (Action change in changes) change();
    }

    /// <summary>How things stand, as the kernel says. Any thread.</summary>
    internal VmDetails Describe() => new(
        [.. vcpus.Present.Select(Describe).OfType<VcpuInfo>()],
        new HostThread(Environment.ProcessId).Affinity.ToString(), ControlGroup.Current,
        new MemoryInfo(_placement.HugePageBytes, _placement.Locked, _placement.Mergeable, MergedBytes(), _placement.Numa));

    /// <summary>Puts the thread of a vCPU that was just plugged in where it belongs.</summary>
    internal void Place(VcpuThread vcpu)
    {
        if (_isPinnedAuto) PinAll();
        else if (_pins.TryGetValue(vcpu.Index, out string? cpus)) SetAffinity(vcpu.HostThread, Cpus(cpus, "--vcpu-pin"), $"vCPU {vcpu.Index}");
        // Its thread begins where the one is that made it.
        else if (vcpu.HostThread.Affinity.ToString() != _allowed.ToString()) SetAffinity(vcpu.HostThread, _allowed, $"vCPU {vcpu.Index}");
        if (_scheduler is { } scheduler) Schedule(scheduler);
    }

    // Null: it was pulled out meanwhile.
    private VcpuInfo? Describe(VcpuThread vcpu)
    {
        try
        {
            HostThread thread = vcpu.HostThread;
            return new VcpuInfo(vcpu.Index, thread.Id, thread.Affinity.ToString(), thread.Scheduler.ToString(), Math.Round(thread.CpuTime.TotalSeconds, 3));
        }
        catch (Exception gone) when (gone is LinuxException or IOException && vcpus.Find(vcpu.Index) != vcpu)
        {
            return null;
        }
    }

    private Action Change(string name, string value)
    {
        switch (name)
        {
            case "vcpu-pin":
                (int Vcpu, string Cpus)[] pins = [.. value.Split(';').Select(ReadPin)];
                return () => { foreach ((int vcpu, string cpus) in pins) Pin(vcpu, cpus); };
            case "emulator-pin":
                CpuSet emulator = Cpus(value, "--emulator-pin");
                return () => PinEmulator(emulator);
            case "pin" when value == "auto": return PinAll;
            case "pin" when value == "none": return Unpin;
            case "sched" when SchedulerClass.Parse(value) is not null: return () => Schedule(value);
            case "cgroup": return () => ControlGroup.Join(value);
            case "ksm" when value is "on" or "off": return () => SetMergeable(value == "on");
            case "memory-lock" when value is "on" or "off": return () => SetLocked(value == "on");
            case "numa": return () => SetNuma(value);
            case "huge-pages" when value is "transparent" or "none": return () => GuestRam.SetTransparentHugePages(memory, value == "transparent");
            default: throw new ConfigException($"A running machine cannot be set to {name}={value}; there are vcpu-pin, emulator-pin, pin, sched, cgroup, ksm, memory-lock, numa and huge-pages.");
        }
    }

    private void SetMergeable(bool mergeable)
    {
        GuestRam.SetMergeable(memory, mergeable);
        _placement = _placement with { Mergeable = mergeable };
    }

    private void SetNuma(string policy)
    {
        GuestRam.Bind(memory, policy);
        _placement = _placement with { Numa = policy };
    }

    private void SetLocked(bool locked)
    {
        GuestRam.SetLocked(memory, locked);
        _placement = _placement with { Locked = locked };
    }

    private static (int Vcpu, string Cpus) ReadPin(string text)
    {
        string[] parts = text.Split('=');
        return parts.Length == 2 && int.TryParse(parts[0], out int vcpu) ? (vcpu, parts[1]) : throw new ConfigException($"--vcpu-pin '{text}': write VCPU=CPUS, for example 0=3.");
    }

    private void Pin(int vcpu, string text)
    {
        if (vcpu < 0 || vcpu >= vcpus.Most) throw new ConfigException($"There is no vCPU {vcpu}: the machine has {vcpus.Most}, from 0 on; correct --vcpu-pin.");
        // One that is absent is pinned when it is plugged in.
        if (vcpus.Find(vcpu) is { } thread) SetAffinity(thread.HostThread, Cpus(text, "--vcpu-pin"), $"vCPU {vcpu}");
        _pins[vcpu] = text;
        _isPinnedAuto = false;
    }

    // A CPU of its own for each vCPU; what is left, or everything where nothing is, for the others.
    private void PinAll()
    {
        IReadOnlyList<int> order = HostCpus.InOrderOfUse(_allowed);
        IReadOnlyList<VcpuThread> present = vcpus.Present;
        if (order.Count < present.Count)
            throw new ConfigException($"The machine's {present.Count} vCPUs cannot each have a host CPU: this process may use {order.Count} ({_allowed}); give fewer with --cpus, or do without --pin auto.");
        for (int i = 0; i < present.Count; i++) SetAffinity(present[i].HostThread, new CpuSet(order[i]), $"vCPU {present[i].Index}");
        CpuSet rest = _allowed.Except(new CpuSet(order.Take(present.Count)));
        PinEmulator(rest.Count > 0 ? rest : _allowed);
        _pins.Clear();
        _isPinnedAuto = true;
    }

    private void Unpin()
    {
        foreach (VcpuThread vcpu in vcpus.Present) SetAffinity(vcpu.HostThread, _allowed, $"vCPU {vcpu.Index}");
        PinEmulator(_allowed);
        _pins.Clear();
        _isPinnedAuto = false;
    }

    // New threads inherit from the one that makes them, and vCPUs make none.
    private void PinEmulator(CpuSet cpus)
    {
        HashSet<int> own = [.. vcpus.Present.Select(vcpu => vcpu.HostThread.Id)];
        foreach (HostThread thread in HostThread.OfProcess().ToList())
            if (!own.Contains(thread.Id)) SetAffinity(thread, cpus, "The machine's other threads");
    }

    private void Schedule(string text) =>
        Schedule(SchedulerClass.Parse(text) ?? throw new ConfigException($"--sched '{text}': write other, batch, idle, fifo:N or rr:N with N from 1 to 99."));

    private void Schedule(SchedulerClass wanted)
    {
        try
        {
            foreach (VcpuThread vcpu in vcpus.Present) vcpu.HostThread.SetScheduler(wanted);
            _scheduler = wanted;
        }
        catch (LinuxException refused)
        {
            throw new ConfigException($"The vCPUs cannot be scheduled as {wanted} (errno {refused.Errno}): that takes CAP_SYS_NICE, or a limit for real-time priorities (rtprio in /etc/security/limits.conf); do without --sched.", refused);
        }
    }

    private void SetAffinity(HostThread thread, CpuSet cpus, string whose)
    {
        const int NoSuchThread = 3;
        try
        {
            thread.SetAffinity(cpus);
        }
        catch (LinuxException gone) when (gone.Errno == NoSuchThread) { }
        catch (LinuxException refused)
        {
            throw new ConfigException($"{whose} cannot run on host CPUs {cpus} (errno {refused.Errno}): this process may use {_allowed}; choose from these.", refused);
        }
    }

    private static CpuSet Cpus(string text, string option) =>
        CpuSet.Parse(text) ?? throw new ConfigException($"{option}: '{text}' is no list of host CPUs; write them like 0-3,8.");

    private static ulong MergedBytes()
    {
        const string Name = "ksm_merging_pages ";
        try
        {
            string? line = File.ReadLines("/proc/self/ksm_stat").FirstOrDefault(each => each.StartsWith(Name, StringComparison.Ordinal));
            return ulong.TryParse(line?[Name.Length..], out ulong pages) ? pages << 12 : 0;
        }
        catch (Exception absent) when (absent is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }
}
