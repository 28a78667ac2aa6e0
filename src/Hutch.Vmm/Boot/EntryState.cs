using System;
using System.Buffers.Binary;
using Hutch.Core.Engine;
using Hutch.Core.Memory;

namespace Hutch.Vmm.Boot;

/// <summary>Puts the boot processor into the mode in which a protocol enters its kernel.</summary>
internal static class EntryState
{
    // Selectors by the Linux boot protocol: __BOOT_CS, __BOOT_DS, and a task.
    private const ushort CodeSelector = 0x10, DataSelector = 0x18, TaskSelector = 0x20;

    // Indices into X86VcpuState.Segments.
    private const int Es = 0, Cs = 1, Ss = 2, Ds = 3, Fs = 4, Gs = 5, Ldtr = 6, Tr = 7;

    // Attributes as SegmentState holds them: type, S, DPL, P in bits 0-7; AVL, L, D/B, G in bits 12-15.
    private const uint Code64 = 0xa09b, Code32 = 0xc09b, Data = 0xc093, BusyTask = 0x008b, Unusable = 0x1_0000;

    private const ulong Cr0Pe = 1, Cr0Et = 1 << 4, Cr0Pg = 1UL << 31, Cr4Pae = 1 << 5, EferLme = 1 << 8, EferLma = 1 << 10;

    /// <summary>64-bit mode, the first 4 GiB mapped to themselves by 2 MiB pages, interrupts off (linux Documentation/arch/x86/boot.rst, "64-bit BOOT PROTOCOL").</summary>
    internal static void EnterLongMode(GuestMemory memory, X86VcpuState cpu, ulong rip, ulong rsi)
    {
        SetFlatSegments(memory, cpu, Code64);
        WritePageTables(memory);
        cpu.Cr0 = Cr0Pe | Cr0Et | Cr0Pg;
        cpu.Cr3 = BootLayout.PageTables;
        cpu.Cr4 = Cr4Pae;
        cpu.Efer = EferLme | EferLma;
        SetRegisters(cpu, rip, stack: BootLayout.StackTop);
        cpu.Gpr[6] = rsi;
    }

    /// <summary>32-bit protected mode with flat segments, paging and interrupts off. The caller sets the protocol's registers.</summary>
    internal static void EnterProtectedMode(GuestMemory memory, X86VcpuState cpu, uint eip)
    {
        SetFlatSegments(memory, cpu, Code32);
        cpu.Cr0 = Cr0Pe | Cr0Et;
        cpu.Cr3 = 0;
        cpu.Cr4 = 0;
        cpu.Efer = 0;
        SetRegisters(cpu, eip, stack: BootLayout.StackTop);
    }

    private static void SetRegisters(X86VcpuState cpu, ulong rip, ulong stack)
    {
        Array.Clear(cpu.Gpr);
        cpu.Gpr[4] = stack;
        cpu.Rip = rip;
        cpu.Rflags = 2;
        cpu.Activity = VcpuActivity.Running;
    }

    private static void SetFlatSegments(GuestMemory memory, X86VcpuState cpu, uint codeAttributes)
    {
        Span<byte> table = stackalloc byte[0x30];
        table.Clear();
        WriteDescriptor(table[CodeSelector..], codeAttributes);
        WriteDescriptor(table[DataSelector..], Data);
        // A task segment at 0 with the 104 bytes of a 32-bit one; in 64-bit mode its upper half is the zero after it.
        BinaryPrimitives.WriteUInt64LittleEndian(table[TaskSelector..], 0x0000_8b00_0000_0067);
        Write(memory, BootLayout.Gdt, table);
        cpu.Gdtr = new TableState { Base = BootLayout.Gdt, Limit = 0x2f };
        cpu.Idtr = default;
        SegmentState data = new() { Limit = uint.MaxValue, Attributes = Data, Selector = DataSelector };
        foreach (int index in (ReadOnlySpan<int>)[Es, Ss, Ds, Fs, Gs]) cpu.Segments[index] = data;
        cpu.Segments[Cs] = new SegmentState { Limit = uint.MaxValue, Attributes = codeAttributes, Selector = CodeSelector };
        cpu.Segments[Ldtr] = new SegmentState { Attributes = Unusable };
        cpu.Segments[Tr] = new SegmentState { Limit = 0x67, Attributes = BusyTask, Selector = TaskSelector };
    }

    // Intel SDM 3A §3.4.5: limit 0xfffff, base 0, attributes around them.
    private static void WriteDescriptor(Span<byte> entry, uint attributes) =>
        BinaryPrimitives.WriteUInt64LittleEndian(entry, 0x000f_0000_0000_ffff | ((ulong)(attributes & 0xf0ff) << 40));

    // Intel SDM 3A §4.5: PML4 and PDPT entries are present and writable; PD entries map 2 MiB each.
    private static void WritePageTables(GuestMemory memory)
    {
        const ulong Table = 3, Page = 0x83;
        const ulong Pdpt = BootLayout.PageTables + 0x1000, FirstDirectory = Pdpt + 0x1000;
        Span<byte> directories = stackalloc byte[0x1000];
        memory.TryWrite(BootLayout.PageTables, Pdpt | Table);
        for (ulong gib = 0; gib < 4; gib++)
        {
            memory.TryWrite(Pdpt + (gib * 8), (FirstDirectory + (gib * 0x1000)) | Table);
            for (int entry = 0; entry < 512; entry++)
                BinaryPrimitives.WriteUInt64LittleEndian(directories[(entry * 8)..], (gib << 30) | ((ulong)entry << 21) | Page);
            Write(memory, FirstDirectory + (gib * 0x1000), directories);
        }
    }

    private static void Write(GuestMemory memory, ulong address, ReadOnlySpan<byte> data)
    {
        if (!memory.TryCopyIn(address, data)) throw new InvalidOperationException($"The boot structures at 0x{address:x} are outside guest memory.");
    }
}
