using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using Hutch.Core.Bus;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Vmm.Hosting;
using Hutch.Vmm.Run;
using Hutch.Vmm.Snapshot;

namespace Hutch.Vmm.Build;

/// <summary>
/// Builds a machine from its definition: memory, CPUs, buses, devices through their factories; resources and tables are the boot plan's.
/// It names no concrete device; a test holds that.
/// </summary>
internal sealed class MachineBuilder(IHypervisor hypervisor, PausableTimers timers, BackEnds backEnds, Mailbox mailbox, Networks? networks = null)
{
    // The PCI window above 4 GiB: 32 GiB long and as aligned, so that it ends within 36 physical address bits on a small machine.
    private const ulong HighWindowBytes = 32UL << 30;

    /// <summary>Builds the machine; it is at its first reset or where its state was saved, stopped. Throws <see cref="ConfigException"/> for an operator's mistake.</summary>
    /// <param name="definition">What to build.</param>
    /// <param name="state">The state that it goes on from, instead of starting its kernel; it then throws <see cref="StateException"/> too.</param>
    internal Machine Build(MachineDefinition definition, StateFileReader? state = null)
    {
        MachineLimits.Check(definition);
        HostDeviceRules.Check(definition, hypervisor.Name);
        Undo undo = new();
        try
        {
            BootPlan boot = undo.Add(new BootPlan(definition.Boot));
            // A restored machine needs them only when it is reset.
            if (state is null) boot.Open();
            GuestMemory memory = undo.Add(GuestRam.Create(definition, hypervisor.PrefersHugePages));
            IVirtualMachine cpus = undo.Add(CreateCpus(definition, memory));
            MachineServices services = new()
            {
                Memory = memory,
                Cpus = definition.Cpus,
                AbsentVcpus = definition.AbsentVcpus,
                Ports = new AddressBus("port"),
                Mmio = new AddressBus("address"),
                Interrupts = cpus.Interrupts,
                Doorbells = cpus.Doorbells,
                Timers = timers,
                ReadClocks = cpus.ReadClocks,
                Platform = mailbox,
                OpenDisk = Disks.Open,
                OpenChannel = backEnds.Open,
                OpenNetwork = (networks ?? Networks.Unclaimed).Open,
            };
            ImmutableArray<IDevice>.Builder devices = ImmutableArray.CreateBuilder<IDevice>(definition.Devices.Length);
            foreach (DeviceConfig config in definition.Devices) devices.Add(undo.Add(DeviceFactories.Create(config, services)));
            ulong highWindow = HighWindowStart(memory);
            boot.Prepare(definition, services, highWindow, HighWindowBytes);
            MachineExits exits = new(services.Ports, services.Mmio, services.Controllers, mailbox);
            Machine machine = new(memory, cpus, devices.MoveToImmutable(), boot, exits, mailbox, timers, services);
            // From here on the machine owns the parts.
            undo.Forget();
            undo.Add(machine);
            if (state is null) machine.Load();
            else machine.Restore(state, mapMemory: !hypervisor.PrefersHugePages && GuestRam.IsOrdinary(definition));
            return machine;
        }
        catch
        {
            undo.Run();
            throw;
        }
    }

    /// <summary>First address of the PCI window above 4 GiB and above all RAM.</summary>
    internal static ulong HighWindowStart(GuestMemory memory)
    {
        ulong above = Math.Max(memory.EndOfRam, GuestMemory.HighMemoryStart);
        return (above + HighWindowBytes - 1) / HighWindowBytes * HighWindowBytes;
    }

    private IVirtualMachine CreateCpus(MachineDefinition definition, GuestMemory memory)
    {
        try
        {
            return hypervisor.CreateMachine(memory, definition.Cpus, definition.Cpu);
        }
        catch (CpuModelException unknown)
        {
            throw new ConfigException(unknown.Message, unknown);
        }
    }

    // What to give back, last first, when building fails half-way.
    private sealed class Undo
    {
        private readonly Stack<IDisposable> _made = new();

        internal T Add<T>(T made) where T : IDisposable
        {
            _made.Push(made);
            return made;
        }

        internal void Forget() => _made.Clear();

        internal void Run()
        {
            while (_made.TryPop(out IDisposable? made)) made.Dispose();
        }
    }
}
