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
/// A direct boot that can be carried out again and again. After a reset the plan does what firmware and a boot loader would
/// have done: tables, kernel, initial RAM disk, local APICs.
/// </summary>
internal sealed class BootPlan(KernelBoot boot) : IDisposable
{
    // Local APIC registers in the xAPIC page, and what the firmware of a PC leaves in them (virtual wire mode, MP 1.4 §3.6.2.2).
    private const int SpuriousVector = 0xf0, Lint0 = 0x350, Lint1 = 0x360;
    private const uint EnabledVector255 = 0x1ff, ExternalInterrupt = 0x700, NonMaskable = 0x400;

    // IA32_MTRR_DEF_TYPE: enabled, write-back (Intel SDM 3A §12.11.2.1). Off means that all RAM is uncacheable.
    private const uint MtrrDefaultType = 0x2ff;
    private const ulong EnabledWriteBack = 0xc06;

    private BootImages? _images;

    /// <summary>The firmware's tables. Set before <see cref="Load"/>.</summary>
    internal FirmwareTables? Tables { get; set; }

    /// <summary>Opens and parses the images. Throws <see cref="ConfigException"/>.</summary>
    internal void Open() => _images ??= BootImages.Open(boot);

    /// <summary>Fills zeroed memory and points the boot processor at the kernel; every vCPU has just been reset. Throws <see cref="ConfigException"/> where the images have to be opened and cannot be.</summary>
    internal void Load(GuestMemory memory, IVirtualMachine cpus)
    {
        Open();
        BootImages images = _images!;
        ulong root = Tables!.Write(memory);
        MemoryRange[] map = MemoryMap.Describe(memory, PciWindows.EcamStart, PciWindows.EcamBytes);
        byte[] seed = new byte[32];
        HostRandom.Fill(seed);
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
                    CommandLine = boot.CommandLine,
                    Initrd = images.Initrd,
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
