using System;
using System.Buffers.Binary;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Devices;
using Hutch.Devices.Pci;
using Hutch.Host.Files;
using Hutch.Model.Machine;
using Hutch.Vmm.Boot;

namespace Hutch.Vmm.Build;

/// <summary>
/// How the machine starts, which can be done again and again. In a direct boot the plan does what firmware and a boot loader would
/// have done: resources, tables, kernel, initial RAM disk, local APICs. With firmware it shows that at the place where processors begin, and the rest is the firmware's.
/// </summary>
/// <param name="boot">The kernel of a direct boot; null: firmware.</param>
internal sealed class BootPlan(KernelBoot? boot) : IDisposable
{
    // Local APIC registers in the xAPIC page, and what the firmware of a PC leaves in them (virtual wire mode, MP 1.4 §3.6.2.2).
    private const int SpuriousVector = 0xf0, Lint0 = 0x350, Lint1 = 0x360;
    private const uint EnabledVector255 = 0x1ff, ExternalInterrupt = 0x700, NonMaskable = 0x400;

    // IA32_MTRR_DEF_TYPE: enabled, write-back (Intel SDM 3A §12.11.2.1). Off means that all RAM is uncacheable.
    private const uint MtrrDefaultType = 0x2ff;
    private const ulong EnabledWriteBack = 0xc06;

    private BootImages? _images;

    private FirmwareTables? _tables;
    private IFirmware? _firmware;
    private Func<ulong> _absentVcpus = static () => 0;
    private IScreen? _screen;
    private ulong _configStart;

    /// <summary>Opens and parses the images of a direct boot. Throws <see cref="ConfigException"/>.</summary>
    internal void Open()
    {
        if (boot is not null) _images ??= BootImages.Open(boot);
    }

    /// <summary>Gives the devices their places and makes the tables, or has the firmware know of the machine. Called once, after the last device was made. Throws <see cref="ConfigException"/>.</summary>
    internal void Prepare(MachineDefinition definition, MachineServices services, ulong highWindowStart, ulong highWindowBytes)
    {
        if (boot is not null)
        {
            if (services.Firmware is not null) throw new ConfigException("A machine starts from a kernel or from firmware; leave one out.");
            _screen = services.Screens.Count == 0 ? null : services.Screens[0];
            services.Pci?.AssignResources(highWindowStart, highWindowBytes);
            _configStart = services.Pci?.EcamStart ?? 0;
            if (services.CpuHotplug is { } plugging) _absentVcpus = () => plugging.AbsentOf(definition.Cpus);
            _tables = new FirmwareTables(definition, highWindowStart, highWindowBytes);
            return;
        }
        _firmware = services.Firmware ?? throw new ConfigException("The machine has neither a kernel nor firmware to start from; name a kernel, or add a firmware device.");
        _firmware.Describe(definition, highWindowStart, highWindowBytes);
    }

    /// <summary>Fills zeroed memory and points the boot processor at the kernel; every vCPU has just been reset. Throws <see cref="ConfigException"/> where the images have to be opened and cannot be.</summary>
    internal void Load(GuestMemory memory, IVirtualMachine cpus)
    {
        if (_firmware is not null)
        {
            _firmware.Load();
            return;
        }
        Open();
        BootImages images = _images!;
        ulong root = _tables!.Write(memory, _absentVcpus());
        MemoryRange[] map = MemoryMap.Describe(memory, _configStart, PciWindows.EcamBytes);
        byte[] seed = new byte[32];
        HostRandom.Fill(seed);
        LinearMode? mode = _screen?.SetBootMode();
        foreach (IVcpu vcpu in cpus.Vcpus)
        {
            X86VcpuState state = new();
            vcpu.SaveRegisters(state);
            LeaveAsFirmware(state, vcpu.Index == 0);
            if (vcpu.Index == 0)
            {
                images.Kernel.Load(new BootTarget
                {
                    Memory = memory,
                    Cpu = state,
                    Map = map,
                    RootPointer = root,
                    CommandLine = boot!.CommandLine,
                    Initrd = images.Initrd,
                    Screen = mode,
                    RandomSeed = seed,
                });
            }
            vcpu.RestoreRegisters(state);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _images?.Dispose();

    // Memory types alike on every CPU; the boot processor takes the PIC's interrupts through LINT0 and NMIs through LINT1.
    private static void LeaveAsFirmware(X86VcpuState state, bool isBootProcessor)
    {
        if (state.Msrs.ContainsKey(MtrrDefaultType)) state.Msrs[MtrrDefaultType] = EnabledWriteBack;
        if (!isBootProcessor) return;
        Span<byte> apic = state.LocalApic;
        BinaryPrimitives.WriteUInt32LittleEndian(apic[SpuriousVector..], EnabledVector255);
        BinaryPrimitives.WriteUInt32LittleEndian(apic[Lint0..], ExternalInterrupt);
        BinaryPrimitives.WriteUInt32LittleEndian(apic[Lint1..], NonMaskable);
    }
}
