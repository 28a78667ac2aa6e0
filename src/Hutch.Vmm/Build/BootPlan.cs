using System;
using System.Collections.Immutable;
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
/// A direct boot that can be carried out again and again: the kernel and initial RAM disk, open and parsed, and the firmware
/// tables. After a reset the plan does what firmware and a boot loader would have done.
/// </summary>
internal sealed class BootPlan : IDisposable
{
    // Local APIC registers in the xAPIC page, and what the firmware of a PC leaves in them (virtual wire mode, MP 1.4 §3.6.2.2).
    private const int SpuriousVector = 0xf0, Lint0 = 0x350, Lint1 = 0x360;
    private const uint EnabledVector255 = 0x1ff, ExternalInterrupt = 0x700, NonMaskable = 0x400;

    // IA32_MTRR_DEF_TYPE: enabled, write-back (Intel SDM 3A §12.11.2.1). Off means that all RAM is uncacheable.
    private const uint MtrrDefaultType = 0x2ff;
    private const ulong EnabledWriteBack = 0xc06;

    private readonly ImageSource _kernel;
    private readonly ImageSource? _initrd;
    private readonly IKernelImage _image;
    private readonly string _commandLine;
    private readonly Func<GuestMemory, ulong> _writeTables;

    private BootPlan(ImageSource kernel, ImageSource? initrd, IKernelImage image, string commandLine, Func<GuestMemory, ulong> writeTables)
    {
        _kernel = kernel;
        _initrd = initrd;
        _image = image;
        _commandLine = commandLine;
        _writeTables = writeTables;
    }

    /// <summary>Opens and parses the images. Throws <see cref="ConfigException"/> for one that cannot be booted.</summary>
    /// <param name="boot">Paths and command line.</param>
    /// <param name="writeTables">Writes the firmware tables into memory and returns the address of the ACPI root pointer, or 0.</param>
    internal static BootPlan Open(KernelBoot boot, Func<GuestMemory, ulong> writeTables)
    {
        ImageSource kernel = ImageSource.Open(boot.KernelPath, "kernel");
        ImageSource? initrd = null;
        try
        {
            IKernelImage image = KernelImages.Parse(kernel);
            if (boot.InitrdPath is not null) initrd = ImageSource.Open(boot.InitrdPath, "initrd");
            return new BootPlan(kernel, initrd, image, boot.CommandLine, writeTables);
        }
        catch
        {
            initrd?.Dispose();
            kernel.Dispose();
            throw;
        }
    }

    /// <summary>Fills zeroed memory and points the boot processor at the kernel; every vCPU has just been reset.</summary>
    internal void Load(GuestMemory memory, IVirtualMachine cpus)
    {
        ulong root = _writeTables(memory);
        ImmutableArray<MemoryRange> map = MemoryMap.Describe(memory, PciWindows.EcamStart, PciWindows.EcamBytes);
        byte[] seed = new byte[32];
        HostRandom.Fill(seed);
        foreach (IVcpu vcpu in cpus.Vcpus)
        {
            X86VcpuState state = new();
            vcpu.SaveRegisters(state);
            LeaveAsFirmware(state, vcpu.Index == 0);
            if (vcpu.Index == 0)
            {
                _image.Load(new BootTarget
                {
                    Memory = memory,
                    Cpu = state,
                    Map = map,
                    RootPointer = root,
                    CommandLine = _commandLine,
                    Initrd = _initrd,
                    RandomSeed = seed,
                });
            }
            vcpu.RestoreRegisters(state);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _initrd?.Dispose();
        _kernel.Dispose();
    }

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
