using System;
using System.Linq;
using Hutch.Devices;
using Hutch.Vmm.Boot;
using Xunit;

namespace Hutch.Tests.Vmm.Boot;

public sealed class ElfAndMultibootTests
{
    private static IKernelImage Parse(byte[] image) => KernelImages.Parse(new MemoryImage(image));

    [Fact]
    public void A_vmlinux_without_a_pvh_note_starts_at_its_64_bit_entry_with_a_zero_page()
    {
        using BootMachine machine = new();
        IKernelImage image = Parse(Images.Elf64());
        image.Load(machine.Target());
        Assert.Equal("ELF", image.Protocol);
        Assert.Equal(0x100_0100UL, machine.Cpu.Rip);
        Assert.Equal(BootLayout.ZeroPage, machine.Cpu.Gpr[6]);
        Assert.Equal(0xa5, machine.Read<byte>(0x100_0000));
        Assert.Equal(0, machine.Read<byte>(0x100_0800));
        Assert.Equal(0x100_0000u, machine.Read<uint>(BootLayout.ZeroPage + 0x230));
    }

    [Fact]
    public void A_virtual_entry_point_is_translated()
    {
        using BootMachine machine = new();
        Parse(Images.Elf64(entry: 0xffff_ffff_8100_0100)).Load(machine.Target());
        Assert.Equal(0x100_0100UL, machine.Cpu.Rip);
    }

    [Fact]
    public void A_pvh_note_is_preferred_and_leads_to_protected_mode_with_a_start_info()
    {
        using BootMachine machine = new();
        IKernelImage image = Parse(Images.Elf64(pvh: 0x100_0200));
        image.Load(machine.Target("root=/dev/vda", new MemoryImage([1, 2, 3])));
        Assert.Equal("PVH", image.Protocol);
        Assert.Equal(0x100_0200UL, machine.Cpu.Rip);
        Assert.Equal(0x11UL, machine.Cpu.Cr0);
        Assert.Equal(0UL, machine.Cpu.Cr4);
        ulong info = machine.Cpu.Gpr[3];
        Assert.Equal(0x336e_c578u, machine.Read<uint>(info));
        Assert.Equal(1u, machine.Read<uint>(info + 4));
        Assert.Equal(1u, machine.Read<uint>(info + 12));
        ulong module = machine.Read<ulong>(info + 16);
        Assert.Equal([1, 2, 3], machine.Bytes(machine.Read<ulong>(module), 3));
        Assert.Equal(3UL, machine.Read<ulong>(module + 8));
        Assert.Equal("root=/dev/vda", machine.Text(machine.Read<ulong>(info + 24)));
        Assert.Equal(0xe_0000UL, machine.Read<ulong>(info + 32));
        Assert.Equal(4u, machine.Read<uint>(info + 48));
        Assert.Equal(2u, machine.Read<uint>(machine.Read<ulong>(info + 40) + 24 + 16));
    }

    [Fact]
    public void A_multiboot_elf_starts_with_the_magic_and_an_information_structure()
    {
        using BootMachine machine = new();
        IKernelImage image = Parse(Images.MultibootElf32());
        image.Load(machine.Target("smp", new MemoryImage([9, 8, 7], "/images/env")));
        Assert.Equal("multiboot", image.Protocol);
        Assert.Equal(0x2bad_b002UL, machine.Cpu.Gpr[0]);
        Assert.Equal(0x40_0010UL, machine.Cpu.Rip);
        ulong info = machine.Cpu.Gpr[3];
        Assert.Equal(0x24du, machine.Read<uint>(info));
        Assert.Equal(639u, machine.Read<uint>(info + 4));
        Assert.Equal((64u << 10) - 1024, machine.Read<uint>(info + 8));
        Assert.Equal("kernel smp", machine.Text(machine.Read<uint>(info + 16)));
        uint module = machine.Read<uint>(info + 24);
        uint start = machine.Read<uint>(module);
        Assert.Equal(0x40_3000u, start);
        Assert.Equal(start + 3, machine.Read<uint>(module + 4));
        Assert.Equal([9, 8, 7], machine.Bytes(start, 3));
        Assert.Equal("env", machine.Text(machine.Read<uint>(module + 8)));
        Assert.Equal(4u * 24, machine.Read<uint>(info + 44));
        Assert.Equal(20u, machine.Read<uint>(machine.Read<uint>(info + 48)));
    }

    [Fact]
    public void A_flat_multiboot_image_loads_by_the_addresses_in_its_header()
    {
        byte[] flat = Images.MultibootFlat();
        using BootMachine machine = new();
        Parse(flat).Load(machine.Target());
        Assert.Equal(flat, machine.Bytes(0x20_0000, flat.Length));
        Assert.Equal(0x20_0060UL, machine.Cpu.Rip);
    }

    [Fact]
    public void A_multiboot_demand_that_is_not_known_is_refused()
    {
        ConfigException error = Assert.Throws<ConfigException>(() => Parse(Images.MultibootElf32(flags: 0x13)));
        Assert.Contains("0x10", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_segment_outside_memory_or_on_the_boot_structures_is_refused()
    {
        foreach (ulong place in (ulong[])[0x7000, 0xf_0000, 0x1000_0000, 0xffff_ffff_ffff_f000])
        {
            using BootMachine machine = new();
            IKernelImage image = Parse(Images.Elf64(physical: place, entry: place + 0x100));
            Assert.Contains("not free RAM", Assert.Throws<ConfigException>(() => image.Load(machine.Target())).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_file_that_is_no_kernel_is_said_to_be_none()
    {
        Assert.Contains("is not a kernel", Assert.Throws<ConfigException>(() => Parse(new byte[100])).Message, StringComparison.Ordinal);
        Assert.Contains("is empty", Assert.Throws<ConfigException>(() => Parse([])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_truncated_elf_file_is_said_to_be_truncated() =>
        Assert.Contains("truncated", Assert.Throws<ConfigException>(() => Parse(Images.Elf64()[..0x1700])).Message, StringComparison.Ordinal);

    [Fact]
    public void A_missing_kernel_is_said_to_be_missing() =>
        Assert.Contains("does not exist", Assert.Throws<ConfigException>(() => ImageSource.Open("/no/such/kernel", "kernel")).Message, StringComparison.Ordinal);

    [Fact]
    public void A_hundred_thousand_damaged_images_load_or_are_refused_in_one_sentence()
    {
        byte[][] seeds = [Images.BzImage(), Images.BzImage(entry64: false), Images.Elf64(), Images.Elf64(pvh: 0x100_0200), Images.MultibootElf32(), Images.MultibootFlat()];
        int[][] interesting = [.. seeds.Select(static seed => Enumerable.Range(0, 0x300).Where(at => seed[at] != 0).ToArray())];
        Random random = new(20260704);
        using BootMachine machine = new(32 << 20);
        BootTarget target = machine.Target("quiet", new MemoryImage(new byte[1000], "initrd"));
        int loaded = 0, refused = 0;
        for (int round = 0; round < 100_000; round++)
        {
            int which = random.Next(seeds.Length);
            byte[] image = (byte[])seeds[which].Clone();
            for (int change = random.Next(1, 5); change > 0; change--)
            {
                int at = random.Next(4) == 0 ? random.Next(0x300) : interesting[which][random.Next(interesting[which].Length)];
                image[at] = random.Next(3) switch { 0 => 0xff, 1 => 0, _ => (byte)random.Next(256) };
            }
            if (random.Next(8) == 0) image = image[..random.Next(image.Length)];
            try
            {
                KernelImages.Parse(new MemoryImage(image)).Load(target);
                loaded++;
            }
            catch (ConfigException error)
            {
                Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
                refused++;
            }
        }
        Assert.True(loaded > 1000 && refused > 1000, $"{loaded} loaded, {refused} refused");
    }
}
