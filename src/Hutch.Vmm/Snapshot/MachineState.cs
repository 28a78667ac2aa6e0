using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Json;
using Hutch.Core.Engine;
using Hutch.Core.State;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Vmm.Engines;

namespace Hutch.Vmm.Snapshot;

/// <summary>What of a machine is in which section of its state.</summary>
internal static class MachineState
{
    private const string DefinitionSection = "definition", CpuSection = "cpu", ClockSection = "clock";
    private const int MostFeatureBytes = 64 * 1024;

    // Some 70 years of a machine's life, far from overflow in every unit that devices count in.
    private const long MostNanoseconds = 1L << 61;

    /// <summary>Everything but RAM, of a machine that is stopped. Throws <see cref="StateException"/>, for example when a disk cannot be flushed.</summary>
    internal static StateSections Save(ReadOnlyMemory<byte> definition, IVirtualMachine cpus, IReadOnlyList<IDevice> devices, MachineClock clock, long nanoseconds)
    {
        StateSections sections = new();
        sections.Add(DefinitionSection, definition);
        sections.Save(CpuSection, fields => Exchange(fields, cpus.Cpu));
        sections.Save(ClockSection, fields => Exchange(fields, clock, ref nanoseconds));
        foreach (IDevice device in devices) sections.Save($"device {device.Name}", device.Exchange);
        foreach (IVcpu vcpu in cpus.Vcpus)
        {
            X86VcpuState state = new();
            vcpu.SaveRegisters(state);
            sections.Save($"vcpu {vcpu.Index}", fields => VcpuStateFields.Exchange(fields, state));
        }
        return sections;
    }

    /// <summary>Puts everything but RAM back into a machine that was just built from the definition. Returns the guest's clocks and the devices' time. Throws <see cref="StateException"/>.</summary>
    internal static (MachineClock Clock, long Nanoseconds) Restore(StateSections sections, IVirtualMachine cpus, IReadOnlyList<IDevice> devices, Action<long> setTime)
    {
        GuestCpuMatch.Check(ReadCpu(sections), cpus.Cpu);
        MachineClock clock = new(0, 0, [.. new ulong[cpus.Vcpus.Length]]);
        long nanoseconds = 0;
        sections.Restore(ClockSection, fields => clock = Exchange(fields, clock, ref nanoseconds));
        setTime(nanoseconds);
        // Timers that are restored count on the clocks, and guest memory is there already.
        cpus.RestoreClock(clock);
        foreach (IDevice device in devices) sections.Restore($"device {device.Name}", device.Exchange);
        foreach (IVcpu vcpu in cpus.Vcpus)
        {
            X86VcpuState state = new();
            sections.Restore($"vcpu {vcpu.Index}", fields => VcpuStateFields.Exchange(fields, state));
            vcpu.RestoreRegisters(state);
        }
        return (clock, nanoseconds);
    }

    /// <summary>The definition that the machine was built from, with exactly the CPU features that the guest saw. Throws <see cref="StateException"/>.</summary>
    internal static MachineDefinition ReadDefinition(StateSections sections)
    {
        try
        {
            MachineDefinition definition = MachineReader.Read(sections.Find(DefinitionSection));
            return definition with { Cpu = GuestCpuMatch.Exactly(definition.Cpu, ReadCpu(sections)) };
        }
        catch (JsonException broken)
        {
            throw new StateException($"The saved state is damaged: its definition cannot be read ({broken.Message.TrimEnd('.')}).", broken);
        }
    }

    private static GuestCpu ReadCpu(StateSections sections)
    {
        GuestCpu cpu = new("", 0, []);
        sections.Restore(CpuSection, fields => cpu = Exchange(fields, cpu));
        return cpu;
    }

    private static GuestCpu Exchange(StateFields fields, GuestCpu cpu)
    {
        byte[] vendor = Encoding.ASCII.GetBytes(cpu.Vendor), features = Encoding.ASCII.GetBytes(string.Join(' ', cpu.Features)), area = Encoding.ASCII.GetBytes(cpu.SaveArea);
        uint signature = cpu.Signature;
        vendor = fields.Blob("vendor", vendor, 64);
        fields.Value("signature", ref signature);
        features = fields.Blob("features", features, MostFeatureBytes);
        if (fields.Has("save-area")) area = fields.Blob("save-area", area, MostFeatureBytes);
        return new GuestCpu(Encoding.ASCII.GetString(vendor), signature,
            [.. Encoding.ASCII.GetString(features).Split(' ', StringSplitOptions.RemoveEmptyEntries)])
        {
            SaveArea = Encoding.ASCII.GetString(area),
        };
    }

    private static MachineClock Exchange(StateFields fields, MachineClock clock, ref long nanoseconds)
    {
        ulong guest = clock.Nanoseconds, khz = clock.TscKhz;
        ulong[] counters = [.. clock.Tsc];
        fields.Value("kvm-clock", ref guest);
        fields.Value("tsc-khz", ref khz);
        fields.Numbers("tsc", counters);
        fields.Value("devices", ref nanoseconds, 0, MostNanoseconds);
        fields.Require(guest <= MostNanoseconds, "kvm-clock");
        fields.Require(khz > 0, "tsc-khz");
        return new MachineClock(guest, khz, [.. counters]);
    }
}
