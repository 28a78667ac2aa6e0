using System;
using System.IO;
using Hutch.Devices;
using Hutch.Vmm.Boot;
using Xunit;

namespace Hutch.Tests.Vmm.Boot;

public sealed class BzImageTests
{
    private static BzImage Parse(byte[] image) => Assert.IsType<BzImage>(KernelImages.Parse(new MemoryImage(image)));

    [Fact]
    public void A_relocatable_kernel_loads_at_its_preferred_address_and_starts_in_long_mode()
    {
        byte[] image = Images.BzImage();
        using BootMachine machine = new();
        Parse(image).Load(machine.Target());
        Assert.Equal(image[Images.BzPayload..], machine.Bytes(0x100_0000, 4096));
        Assert.Equal(0x100_0200UL, machine.Cpu.Rip);
        Assert.Equal(BootLayout.ZeroPage, machine.Cpu.Gpr[6]);
        Assert.Equal(2UL, machine.Cpu.Rflags);
        Assert.Equal(0x500UL, machine.Cpu.Efer);
        Assert.Equal(0x10, machine.Cpu.Segments[1].Selector);
        Assert.Equal(0x18, machine.Cpu.Segments[3].Selector);
        Assert.Equal(0xa09bu, machine.Cpu.Segments[1].Attributes);
    }

    [Fact]
    public void The_page_tables_map_four_gibibytes_to_themselves()
    {
        using BootMachine machine = new();
        Parse(Images.BzImage()).Load(machine.Target());
        foreach (ulong address in (ulong[])[0, 0x1234_5678, 0xb000_0000, 0xffff_f000])
        {
            ulong pml4 = machine.Read<ulong>(machine.Cpu.Cr3);
            ulong pdpt = machine.Read<ulong>((pml4 & ~0xfffUL) + ((address >> 30) * 8));
            ulong entry = machine.Read<ulong>((pdpt & ~0xfffUL) + (((address >> 21) & 511) * 8));
            Assert.Equal(0x83UL | (address & ~0x1f_ffffUL), entry);
        }
    }

    [Fact]
    public void The_descriptor_table_holds_what_the_segment_registers_say()
    {
        using BootMachine machine = new();
        Parse(Images.BzImage()).Load(machine.Target());
        Assert.Equal(0x00af_9b00_0000_ffffUL, machine.Read<ulong>(machine.Cpu.Gdtr.Base + 0x10));
        Assert.Equal(0x00cf_9300_0000_ffffUL, machine.Read<ulong>(machine.Cpu.Gdtr.Base + 0x18));
    }

    [Fact]
    public void The_zero_page_carries_header_map_root_pointer_and_command_line()
    {
        using BootMachine machine = new();
        Parse(Images.BzImage()).Load(machine.Target("quiet"));
        ulong page = BootLayout.ZeroPage;
        Assert.Equal(0x5372_6448u, machine.Read<uint>(page + 0x202));
        Assert.Equal(0xff, machine.Read<byte>(page + 0x210));
        Assert.Equal(0xe_0000UL, machine.Read<ulong>(page + 0x70));
        Assert.Equal("quiet", machine.Text(machine.Read<uint>(page + 0x228)));
        Assert.Equal(4, machine.Read<byte>(page + 0x1e8));
        Assert.Equal(0x9_fc00UL, machine.Read<ulong>(page + 0x2d0 + 8));
        Assert.Equal((64UL << 20) - 0x10_0000, machine.Read<ulong>(page + 0x2d0 + 40 + 8));
    }

    [Fact]
    public void The_setup_data_chain_carries_a_random_seed()
    {
        using BootMachine machine = new();
        Parse(Images.BzImage()).Load(machine.Target());
        ulong chain = machine.Read<ulong>(BootLayout.ZeroPage + 0x250);
        Assert.Equal(0UL, machine.Read<ulong>(chain));
        Assert.Equal(9u, machine.Read<uint>(chain + 8));
        Assert.Equal(32u, machine.Read<uint>(chain + 12));
    }

    [Fact]
    public void An_initrd_goes_to_the_top_of_memory_and_never_into_the_working_range()
    {
        byte[] disk = new byte[5000];
        disk.AsSpan().Fill(0x77);
        using BootMachine machine = new();
        Parse(Images.BzImage()).Load(machine.Target(initrd: new MemoryImage(disk)));
        uint address = machine.Read<uint>(BootLayout.ZeroPage + 0x218);
        Assert.Equal((64u << 20) - 8192, address);
        Assert.Equal(5000u, machine.Read<uint>(BootLayout.ZeroPage + 0x21c));
        Assert.Equal(disk, machine.Bytes(address, disk.Length));
    }

    [Fact]
    public void An_initrd_that_only_fits_below_the_kernel_goes_there()
    {
        using BootMachine machine = new(32 << 20);
        Parse(Images.BzImage(initSize: 15 << 20)).Load(machine.Target(initrd: new MemoryImage(new byte[4 << 20])));
        Assert.Equal(0x100_0000u - (4 << 20), machine.Read<uint>(BootLayout.ZeroPage + 0x218));
    }

    [Fact]
    public void A_kernel_without_a_64_bit_entry_starts_in_protected_mode_at_its_32_bit_entry()
    {
        using BootMachine machine = new();
        Parse(Images.BzImage(entry64: false, relocatable: false)).Load(machine.Target());
        Assert.Equal(0x10_0000UL, machine.Cpu.Rip);
        Assert.Equal(0x11UL, machine.Cpu.Cr0);
        Assert.Equal(0UL, machine.Cpu.Efer);
        Assert.Equal(0xc09bu, machine.Cpu.Segments[1].Attributes);
        Assert.Equal(BootLayout.ZeroPage, machine.Cpu.Gpr[6]);
    }

    [Fact]
    public void An_initrd_that_is_too_large_is_named_with_its_size()
    {
        using BootMachine machine = new(32 << 20);
        ConfigException error = Assert.Throws<ConfigException>(() =>
            Parse(Images.BzImage()).Load(machine.Target(initrd: new MemoryImage(new byte[31 << 20], "/images/initrd"))));
        Assert.Contains("initrd /images/initrd (31 MiB) does not fit", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_command_line_that_is_too_long_is_refused_with_the_kernels_limit()
    {
        using BootMachine machine = new();
        ConfigException error = Assert.Throws<ConfigException>(() => Parse(Images.BzImage()).Load(machine.Target(new string('x', 2048))));
        Assert.Contains("2048 bytes but this kernel takes 2047", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_little_memory_is_said_with_what_the_kernel_needs()
    {
        using BootMachine machine = new(16 << 20);
        ConfigException error = Assert.Throws<ConfigException>(() => Parse(Images.BzImage()).Load(machine.Target()));
        Assert.Contains("needs 18 MiB", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x1000)]
    [InlineData(Images.BzPayload)]
    public void A_truncated_kernel_is_called_truncated(int length)
    {
        ConfigException error = Assert.Throws<ConfigException>(() => Parse(Images.BzImage()[..length]));
        Assert.Contains("truncated", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Debians_memtest_binary_loads_where_it_is_installed()
    {
        const string Path = "/boot/memtest86+x64.bin";
        if (!File.Exists(Path)) return;
        using BootMachine machine = new();
        using ImageSource source = ImageSource.Open(Path, "kernel");
        IKernelImage image = KernelImages.Parse(source);
        image.Load(machine.Target("console=ttyS0,115200"));
        Assert.Equal("bzImage", image.Protocol);
        Assert.Equal(0x10_0200UL, machine.Cpu.Rip);
    }
}
