using Hutch.Core.Memory;

namespace Hutch.Vmm.Boot;

/// <summary>A Linux vmlinux that is entered at its 64-bit entry point with a zero page, as a bzImage is.</summary>
internal sealed class ElfImage(ImageSource source, ElfFile elf) : IKernelImage
{
    /// <inheritdoc/>
    public string Protocol => "ELF";

    /// <inheritdoc/>
    public void Load(BootTarget target)
    {
        GuestMemory memory = target.Memory;
        (ulong start, ulong end) = elf.Load(source, memory);
        ZeroPage.StoreCommandLine(memory, target.CommandLine, BootLayout.CommandLineRoom - 1);
        ZeroPage page = ZeroPage.ForElf();
        page.Describe(target, (uint)start);
        if (target.Initrd is ImageSource initrd)
        {
            ulong address = InitrdPlacement.Place(memory, initrd, uint.MaxValue, start, end);
            initrd.Load(memory, address, 0, (ulong)initrd.LengthBytes);
            page.SetInitrd(address, (ulong)initrd.LengthBytes);
        }
        page.AddRandomSeed(memory, target.RandomSeed);
        page.Store(memory);
        elf.TryFindEntry(out ulong entry);
        EntryState.EnterLongMode(memory, target.Cpu, entry, BootLayout.ZeroPage);
    }
}
