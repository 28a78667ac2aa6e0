using System;
using System.Collections.Generic;
using System.Numerics;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Vmm.Build;
using Hutch.Vmm.Engines;
using Hutch.Vmm.Hosting;
using Hutch.Vmm.Snapshot;

namespace Hutch.Vmm.Run;

/// <summary>A built machine. Only the state driver calls it. It owns everything in it.</summary>
internal sealed class Machine : IDisposable
{
    private readonly GuestMemory _memory;
    private readonly IVirtualMachine _cpus;
    private readonly List<IDevice> _devices;
    private readonly MachineServices _services;
    private readonly BootPlan _boot;
    private readonly VcpuThreads _threads;
    private readonly PausableTimers _timers;
    private MachineClock? _clock;
    private bool _ended;

    /// <summary>Takes ownership of the parts, starts the vCPU threads (parked) and resets the devices. <see cref="Load"/> or a restore comes next.</summary>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="cpus">The engine's machine.</param>
    /// <param name="devices">The devices in the order of their creation.</param>
    /// <param name="boot">What to write into memory before the boot processor starts.</param>
    /// <param name="exits">Where the vCPUs' accesses go.</param>
    /// <param name="mailbox">Where the vCPU threads report.</param>
    /// <param name="timers">The clock of devices and engine, stopped and started with the machine.</param>
    /// <param name="services">What the devices put there for the machine's owner: the power button, the disks.</param>
    internal Machine(GuestMemory memory, IVirtualMachine cpus, IReadOnlyList<IDevice> devices, BootPlan boot, IVcpuExits exits, Mailbox mailbox,
        PausableTimers timers, MachineServices services)
    {
        _timers = timers;
        _memory = memory;
        _cpus = cpus;
        _devices = [.. devices];
        _services = services;
        _boot = boot;
        foreach (IDevice device in devices) device.Reset();
        _threads = new VcpuThreads(cpus, services.AbsentVcpus, exits, mailbox);
        Host = new HostPlacement(_threads, memory);
    }

    /// <summary>Guest RAM, for what is done while the machine is stopped.</summary>
    internal GuestMemory Memory => _memory;

    /// <summary>Fills memory and points the boot processor at the kernel: what a machine begins with that is not restored.</summary>
    internal void Load() => _boot.Load(_memory, _cpus);

    /// <summary>Everything but RAM of a stopped machine. Flushes its disks. Throws <see cref="StateException"/>.</summary>
    internal StateSections Save(ReadOnlyMemory<byte> definition) =>
        MachineState.Save(definition, _cpus, _devices, _clock ?? throw new InvalidOperationException("The machine was never stopped."), _timers.MonotonicNanoseconds);

    /// <summary>Puts a state into a machine that was never started. It is then stopped. Throws <see cref="StateException"/>.</summary>
    /// <param name="state">The state.</param>
    /// <param name="mapMemory">RAM is mapped from the file instead of copied.</param>
    internal void Restore(StateFileReader state, bool mapMemory)
    {
        _timers.Stop();
        state.Load(_memory, mapMemory);
        Restore(state.Sections);
    }

    /// <summary>The same without RAM, which has been restored. The machine is stopped.</summary>
    internal void Restore(StateSections sections) => (_clock, _) = MachineState.Restore(sections, _cpus, _devices, _timers.SetTime);

    /// <summary>Another engine could go on with the machine. The software engine could not beside a device of the host, whose writes to memory it does not see.</summary>
    internal bool HasOtherEngine => _cpus is HandoverMachine { IsHandedOver: false } && !_services.HostDevices.IsInUse;

    /// <summary>Stops the running machine and lets the other engine go on with it, where the guest allows it. Null: it is done; otherwise why not.</summary>
    /// <param name="cause">What the engine could not do, for the user.</param>
    internal string? HandOver(string cause)
    {
        HandoverMachine two = (HandoverMachine)_cpus;
        string? refusal = two.Prepare();
        Stop();
        return refusal ?? two.HandOver(_clock!, cause);
    }

    /// <summary>Presses the power button. Null: the machine has none.</summary>
    internal Action? PowerButton => _services.PowerButton;

    /// <summary>Its disks. They are used while the machine is stopped.</summary>
    internal IReadOnlyList<IDisk> Disks => _services.Disks;

    /// <summary>Its drives whose media can be changed. They are used while the machine is stopped.</summary>
    internal IReadOnlyList<IMediumDrive> MediumDrives => _services.MediumDrives;

    /// <summary>Its memory balloon, or null.</summary>
    internal IBalloon? Balloon => _services.Balloon;

    /// <summary>Memory that is plugged in, or null.</summary>
    internal IPluggableMemory? PluggableMemory => _services.PluggableMemory;

    /// <summary>Its network cards.</summary>
    internal IReadOnlyList<INetworkCard> NetworkCards => _services.NetworkCards;

    /// <summary>Plugging of devices, or null.</summary>
    internal IHotplug? Hotplug => _services.Hotplug;

    /// <summary>Plugging of vCPUs, or null.</summary>
    internal ICpuHotplug? CpuHotplug => _services.CpuHotplug;

    /// <summary>How many vCPUs are plugged in. Any thread.</summary>
    internal int VcpuCount => _threads.Present.Count;

    /// <summary>All vCPUs that it can have.</summary>
    internal CpuTopology Cpus => _services.Cpus;

    /// <summary>Its screens.</summary>
    internal IReadOnlyList<IScreen> Screens => _services.Screens;

    /// <summary>Its keyboards and pointing devices.</summary>
    internal InputDevices Input => _services.Input;

    /// <summary>Where it runs on its host.</summary>
    internal HostPlacement Host { get; }

    /// <summary>The devices first, then the clocks, then the vCPUs.</summary>
    internal void Start()
    {
        foreach (IDevice device in _devices) device.Start();
        _timers.Start();
        if (_clock is not null) _cpus.RestoreClock(_clock);
        _services.ClocksWentOn?.Invoke();
        _threads.Resume();
    }

    /// <summary>The vCPUs first, all asked before one is waited for; then the clocks, then the devices, last created first.</summary>
    internal void Stop()
    {
        _threads.Pause();
        _clock = _cpus.SaveClock();
        _timers.Stop();
        for (int index = _devices.Count - 1; index >= 0; index--) _devices[index].Stop();
    }

    /// <summary>Adds a device to a stopped machine. Throws <see cref="ConfigException"/>.</summary>
    internal void Attach(DeviceConfig config)
    {
        IDevice device = DeviceFactories.Create(config, _services);
        device.Reset();
        _devices.Add(device);
    }

    /// <summary>Takes a device out of a stopped machine, which the guest has given up, and disposes it.</summary>
    internal void Detach(string name)
    {
        int index = _devices.FindIndex(device => device.Name == name);
        if (index < 0) return;
        IDevice device = _devices[index];
        _devices.RemoveAt(index);
        _services.Disks.RemoveAll(disk => disk.Name == name);
        _services.NetworkCards.RemoveAll(card => card.Name == name);
        device.Dispose();
    }

    /// <summary>Plugs vCPUs into a stopped machine and tells the guest. Throws <see cref="ConfigException"/>, with nothing changed.</summary>
    /// <param name="vcpus">Absent ones: a bit for each.</param>
    internal void PlugInVcpus(ulong vcpus)
    {
        try
        {
            for (ulong left = vcpus; left != 0; left &= left - 1)
            {
                int index = BitOperations.TrailingZeroCount(left);
                VcpuThread thread = _threads.Add(index);
                // Alike on all vCPUs, or a guest's kernel would trust none of them.
                if (_clock is not null) _clock = _clock with { Tsc = _clock.Tsc.SetItem(index, _clock.Tsc[0]) };
                Host.Place(thread);
            }
        }
        catch (ConfigException)
        {
            for (ulong left = vcpus; left != 0; left &= left - 1) _threads.Remove(BitOperations.TrailingZeroCount(left));
            throw;
        }
        _services.CpuHotplug!.PlugIn(vcpus);
    }

    /// <summary>Takes the vCPUs out of a stopped machine that the guest has given up.</summary>
    internal void TakeEjectedVcpus()
    {
        for (ulong left = _services.CpuHotplug?.TakeEjected() ?? 0; left != 0; left &= left - 1) _threads.Remove(BitOperations.TrailingZeroCount(left));
    }

    /// <summary>A stopped machine back to power-on, its kernel loaded again.</summary>
    internal void Reset()
    {
        // Last created first, so that a device lowers its wires while the controllers can still see it; they end clean.
        for (int index = _devices.Count - 1; index >= 0; index--) _devices[index].Reset();
        TakeEjectedVcpus();
        _threads.Reset();
        // A reset TSC counts from zero; kvm-clock goes on.
        if (_clock is not null) _clock = _clock with { Tsc = [.. new ulong[_clock.Tsc.Length]] };
        _memory.Clear();
        _boot.Load(_memory, _cpus);
    }

    /// <summary>Ends a stopped machine: threads, devices (which flush and close), CPUs, memory. May be called again.</summary>
    public void Dispose()
    {
        if (_ended) return;
        _ended = true;
        _threads.End();
        for (int index = _devices.Count - 1; index >= 0; index--) _devices[index].Dispose();
        _cpus.Dispose();
        _boot.Dispose();
        _memory.Dispose();
    }
}
