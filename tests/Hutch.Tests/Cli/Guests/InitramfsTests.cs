using System;
using System.Buffers.Binary;
using System.IO;
using System.Text;
using Hutch.Cli.Guests;
using Xunit;

namespace Hutch.Tests.Cli.Guests;

public sealed class InitramfsTests
{
    /// <summary>An ELF64 file with the sections null, .modinfo and .shstrtab.</summary>
    private static byte[] Module(string information)
    {
        byte[] info = Encoding.ASCII.GetBytes(information), names = "\0.modinfo\0.shstrtab\0"u8.ToArray();
        byte[] file = new byte[64 + info.Length + names.Length + 3 * 64];
        "\x7f"u8.CopyTo(file);
        "ELF"u8.CopyTo(file.AsSpan(1));
        file[4] = 2;
        info.CopyTo(file, 64);
        names.CopyTo(file, 64 + info.Length);
        int table = 64 + info.Length + names.Length;
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(0x28), (ulong)table);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(0x3a), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(0x3c), 3);
        BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(0x3e), 2);
        Section(table + 64, 1, 64, info.Length);
        Section(table + 128, 10, 64 + info.Length, names.Length);
        return file;

        void Section(int at, uint name, int offset, int length)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(at), name);
            BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at + 0x18), (ulong)offset);
            BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(at + 0x20), (ulong)length);
        }
    }

    [Fact]
    public void A_module_says_what_it_needs_and_what_it_answers_to()
    {
        KernelModule module = KernelModule.Read("kernel/a/virtio-rng.ko", Module("license=GPL\0alias=virtio:d4v*\0alias=x\0depends=virtio,virtio_ring\0"));
        Assert.Equal("virtio_rng", module.Name);
        Assert.Equal(["virtio", "virtio_ring"], module.Depends);
        Assert.Equal(["virtio:d4v*", "x"], module.Aliases);
    }

    [Fact]
    public void A_broken_module_never_throws()
    {
        byte[] whole = Module("depends=a\0");
        Random random = new(1);
        for (int i = 0; i < 20_000; i++)
        {
            byte[] broken = whole[..random.Next(whole.Length + 1)];
            for (int j = 0; j < 4 && broken.Length > 0; j++) broken[random.Next(broken.Length)] = (byte)random.Next(256);
            Assert.NotNull(KernelModule.Read("m.ko", broken).Depends);
        }
    }

    [Fact]
    public void Modprobe_finds_all_that_a_module_needs_with_the_deepest_last()
    {
        KernelModule ring = new("k/virtio_ring.ko", [1], [], []), virtio = new("k/virtio.ko", [2], ["virtio_ring"], []);
        KernelModule pci = new("k/virtio_pci.ko", [3], ["virtio_ring", "virtio"], ["pci:v1AF4d*"]);
        MemoryStream archive = new();
        Initramfs.Write(archive, "6.1", "no applets in here"u8.ToArray(), [ring, virtio, pci]);
        string text = Encoding.Latin1.GetString(archive.ToArray());
        Assert.Contains("k/virtio_pci.ko: k/virtio.ko k/virtio_ring.ko\n", text, StringComparison.Ordinal);
        Assert.Contains("alias pci:v1AF4d* virtio_pci\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Busybox_applets_are_read_from_the_program()
    {
        byte[] program = "x\0y\0[\0[[\0ash\0mount\0sh\0zcat\0\0more"u8.ToArray();
        Assert.Equal(["[", "[[", "ash", "mount", "sh", "zcat"], BusyboxApplets.List(program));
        Assert.Equal(["sh"], BusyboxApplets.List("nothing"u8));
    }
}
