using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;

namespace Hutch.Vmm.Boot;

/// <summary>An ELF image with a PVH entry point: 32-bit protected mode, EBX points at struct hvm_start_info (xen include/public/arch-x86/hvm/start_info.h).</summary>
internal sealed class PvhImage(ImageSource source, ElfFile elf) : IKernelImage
{
    private const uint StartMagic = 0x336e_c578;
    private const int InfoBytes = 56, ModuleBytes = 32, RangeBytes = 24;

    /// <inheritdoc/>
    public string Protocol => "PVH";

    /// <inheritdoc/>
    public void Load(BootTarget target)
    {
        GuestMemory memory = target.Memory;
        (ulong start, ulong end) = elf.Load(source, memory);
        ZeroPage.StoreCommandLine(memory, target.CommandLine, BootLayout.CommandLineRoom - 1);
        Span<byte> info = stackalloc byte[InfoBytes];
        info.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(info, StartMagic);
        BinaryPrimitives.WriteUInt32LittleEndian(info[4..], 1);                     // version
        BinaryPrimitives.WriteUInt64LittleEndian(info[24..], BootLayout.CommandLine);
        BinaryPrimitives.WriteUInt64LittleEndian(info[32..], target.RootPointer);
        BinaryPrimitives.WriteUInt64LittleEndian(info[40..], BootLayout.MemoryMap);
        BinaryPrimitives.WriteUInt32LittleEndian(info[48..], (uint)target.Map.Length);
        if (target.Initrd is ImageSource initrd)
        {
            ulong address = InitrdPlacement.Place(memory, initrd, uint.MaxValue, start, end);
            initrd.Load(memory, address, 0, (ulong)initrd.LengthBytes);
            Span<byte> module = stackalloc byte[ModuleBytes];
            module.Clear();
            BinaryPrimitives.WriteUInt64LittleEndian(module, address);
            BinaryPrimitives.WriteUInt64LittleEndian(module[8..], (ulong)initrd.LengthBytes);
            memory.TryCopyIn(BootLayout.Modules, module);
            BinaryPrimitives.WriteUInt32LittleEndian(info[12..], 1);                // one module
            BinaryPrimitives.WriteUInt64LittleEndian(info[16..], BootLayout.Modules);
        }
        memory.TryCopyIn(BootLayout.Info, info);
        StoreMap(target);
        EntryState.EnterProtectedMode(memory, target.Cpu, elf.PvhEntry.GetValueOrDefault());
        target.Cpu.Gpr[3] = BootLayout.Info;
    }

    private static void StoreMap(BootTarget target)
    {
        Span<byte> entry = stackalloc byte[RangeBytes];
        ulong address = BootLayout.MemoryMap;
        foreach (MemoryRange range in target.Map)
        {
            entry.Clear();
            BinaryPrimitives.WriteUInt64LittleEndian(entry, range.Start);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], range.LengthBytes);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], (uint)range.Kind);
            target.Memory.TryCopyIn(address, entry);
            address += RangeBytes;
        }
    }
}
