using System;
using Hutch.Devices;

namespace Hutch.Vmm.Boot;

/// <summary>Finds out what a kernel image is.</summary>
internal static class KernelImages
{
    /// <summary>Bytes from the start of a file in which every protocol's signature lies (multiboot 0.6.96 §3.1: the first 8192).</summary>
    internal const int HeadBytes = 8192;

    /// <summary>Parses an image. Throws <see cref="ConfigException"/> with one sentence for anything that is not a whole kernel. Does not own <paramref name="source"/>.</summary>
    internal static IKernelImage Parse(ImageSource source)
    {
        byte[] head = new byte[(int)Math.Min(HeadBytes, source.LengthBytes)];
        if (head.Length == 0) throw new ConfigException($"The kernel {source.Name} is empty.");
        if (!source.TryRead(0, head)) throw new ConfigException($"The kernel {source.Name} could not be read; check the file.");
        if (BzImage.IsBzImage(head)) return BzImage.Parse(source, head);
        bool isElf = ElfFile.IsElf(head);
        MultibootHeader? multiboot = MultibootHeader.Find(head);
        if (!isElf)
        {
            return multiboot is null
                ? throw new ConfigException($"{source.Name} is not a kernel: it is neither a bzImage, an ELF file nor a multiboot image.")
                : MultibootImage.Parse(source, multiboot.Value, elf: null);
        }
        ElfFile elf = ElfFile.Parse(source, head);
        if (multiboot is not null && (!elf.Is64Bit || multiboot.Value.HasAddresses || (elf.PvhEntry is null && !elf.CanEnterInLongMode)))
            return MultibootImage.Parse(source, multiboot.Value, elf);
        if (elf.PvhEntry is not null) return new PvhImage(source, elf);
        if (elf.CanEnterInLongMode) return new ElfImage(source, elf);
        throw new ConfigException($"{source.Name} is an ELF file but not a kernel: it has neither a PVH note, a multiboot header nor a 64-bit x86 entry point.");
    }
}
