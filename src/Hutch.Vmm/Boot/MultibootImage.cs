using System;
using System.Buffers.Binary;
using System.IO;
using System.Text;
using Hutch.Core.Memory;
using Hutch.Devices;

namespace Hutch.Vmm.Boot;

/// <summary>A multiboot version 1 kernel, from its ELF segments or from the addresses in its header (multiboot 0.6.96 §3).</summary>
internal sealed class MultibootImage : IKernelImage
{
    private const ulong BootMagic = 0x2bad_b002;
    private const int InfoBytes = 116, RangeBytes = 24;
    private const uint HasMemory = 1, HasCommandLine = 1 << 2, HasModules = 1 << 3, HasMap = 1 << 6, HasLoaderName = 1 << 9;

    private readonly ImageSource _source;
    private readonly MultibootHeader _header;
    private readonly ElfFile? _elf;

    private MultibootImage(ImageSource source, MultibootHeader header, ElfFile? elf)
    {
        _source = source;
        _header = header;
        _elf = elf;
    }

    /// <inheritdoc/>
    public string Protocol => "multiboot";

    /// <summary>Checks that the image can be loaded as its header says. Throws <see cref="ConfigException"/> where it cannot.</summary>
    /// <param name="source">The file.</param>
    /// <param name="header">The header that was found in it.</param>
    /// <param name="elf">Its ELF headers, if it is an ELF file.</param>
    internal static MultibootImage Parse(ImageSource source, MultibootHeader header, ElfFile? elf)
    {
        if (header.UnknownDemands != 0)
            throw new ConfigException($"The multiboot kernel {source.Name} demands features 0x{header.UnknownDemands:x} that multiboot 1 does not have.");
        if (header.HasAddresses) return new MultibootImage(source, CheckAddresses(source, header), elf: null);
        if (elf is null) throw new ConfigException($"The multiboot kernel {source.Name} has neither load addresses nor an ELF header.");
        if (elf.Is64Bit) throw new ConfigException($"The multiboot kernel {source.Name} is a 64-bit ELF file; multiboot 1 needs a 32-bit one.");
        if (!elf.TryFindEntry(out _)) throw new ConfigException($"The multiboot kernel {source.Name} has its entry point outside its segments.");
        return new MultibootImage(source, header, elf);
    }

    /// <inheritdoc/>
    public void Load(BootTarget target)
    {
        GuestMemory memory = target.Memory;
        ulong entry = _header.Entry;
        ulong end = _elf is null ? LoadByAddresses(memory) : _elf.Load(_source, memory).End;
        _elf?.TryFindEntry(out entry);
        // By convention the first word of the command line is the kernel's own name.
        ZeroPage.StoreCommandLine(memory, $"{Path.GetFileName(_source.Name)} {target.CommandLine}", BootLayout.CommandLineRoom - 1);
        Span<byte> info = stackalloc byte[InfoBytes];
        info.Clear();
        uint flags = HasMemory | HasCommandLine | HasMap | HasLoaderName;
        Put(info, 4, (uint)(BootLayout.LowRamEnd >> 10));
        Put(info, 8, (uint)((memory.LowBytes - BootLayout.HighRamStart) >> 10));
        Put(info, 16, (uint)BootLayout.CommandLine);
        if (target.Initrd is ImageSource initrd)
        {
            flags |= HasModules;
            Put(info, 20, 1);
            Put(info, 24, (uint)BootLayout.Modules);
            LoadModule(memory, initrd, end);
        }
        Put(info, 44, (uint)(target.Map.Length * RangeBytes));
        Put(info, 48, (uint)BootLayout.MemoryMap);
        Put(info, 64, (uint)StoreName(memory, BootLayout.ModuleName + 0x800, "hutch"));
        Put(info, 0, flags);
        memory.TryCopyIn(BootLayout.Info, info);
        StoreMap(target);
        EntryState.EnterProtectedMode(memory, target.Cpu, (uint)entry);
        target.Cpu.Gpr[0] = BootMagic;
        target.Cpu.Gpr[3] = BootLayout.Info;
    }

    private static MultibootHeader CheckAddresses(ImageSource source, MultibootHeader header)
    {
        // The header's own place in the file and in memory says which file offset the load address has.
        ulong before = (ulong)header.HeaderAddress - header.LoadStart;
        bool consistent = header.HeaderAddress >= header.LoadStart && before <= (ulong)header.Offset
            && (header.LoadEnd == 0 || header.LoadEnd > header.LoadStart)
            && (header.BssEnd == 0 || header.BssEnd >= header.LoadEnd) && header.Entry >= header.LoadStart;
        if (!consistent) throw new ConfigException($"The multiboot kernel {source.Name} has a damaged header: its load addresses contradict each other.");
        ulong offset = (ulong)header.Offset - before;
        ulong length = header.LoadEnd == 0 ? (ulong)source.LengthBytes - offset : header.LoadEnd - header.LoadStart;
        if (!source.IsInside(offset, length)) throw new ConfigException($"The multiboot kernel {source.Name} is truncated: its header promises more than the file holds.");
        return header;
    }

    private ulong LoadByAddresses(GuestMemory memory)
    {
        ulong offset = (ulong)_header.Offset - (_header.HeaderAddress - _header.LoadStart);
        ulong length = _header.LoadEnd == 0 ? (ulong)_source.LengthBytes - offset : _header.LoadEnd - _header.LoadStart;
        ulong end = Math.Max(_header.LoadStart + length, _header.BssEnd);
        if (!BootLayout.IsFree(memory, _header.LoadStart, end - _header.LoadStart))
            throw new ConfigException($"The kernel {_source.Name} does not fit: it wants [0x{_header.LoadStart:x}, 0x{end:x}), which is not free RAM; give the guest more memory.");
        _source.Load(memory, _header.LoadStart, offset, length);
        return end;
    }

    // Right behind the kernel, as other loaders do: kernels take the memory above their last module for themselves.
    private static void LoadModule(GuestMemory memory, ImageSource module, ulong kernelEnd)
    {
        ulong start = (Math.Max(kernelEnd, BootLayout.HighRamStart) + 0xfff) & ~0xfffUL;
        ulong length = (ulong)module.LengthBytes;
        if (start + length > memory.LowBytes)
            throw new ConfigException($"The initrd {module.Name} ({InitrdPlacement.Mebibytes(length)} MiB) does not fit behind the kernel; give the guest more memory with --memory.");
        module.Load(memory, start, 0, length);
        Span<byte> entry = stackalloc byte[16];
        entry.Clear();
        Put(entry, 0, (uint)start);
        Put(entry, 4, (uint)(start + length));
        Put(entry, 8, (uint)StoreName(memory, BootLayout.ModuleName, Path.GetFileName(module.Name)));
        memory.TryCopyIn(BootLayout.Modules, entry);
    }

    private static ulong StoreName(GuestMemory memory, ulong address, string name)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(name + "\0");
        memory.TryCopyIn(address, bytes);
        return address;
    }

    private static void StoreMap(BootTarget target)
    {
        Span<byte> entry = stackalloc byte[RangeBytes];
        ulong address = BootLayout.MemoryMap;
        foreach (MemoryRange range in target.Map)
        {
            Put(entry, 0, RangeBytes - 4);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[4..], range.Start);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[12..], range.LengthBytes);
            Put(entry, 20, (uint)range.Kind);
            target.Memory.TryCopyIn(address, entry);
            address += RangeBytes;
        }
    }

    private static void Put(Span<byte> bytes, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(bytes[offset..], value);
}
