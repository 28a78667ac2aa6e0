using System;
using System.Buffers.Binary;
using System.Text;

namespace Hutch.Tests.Vmm.Boot;

/// <summary>Synthetic kernel images, small and valid.</summary>
internal static class Images
{
    internal const int BzSetupSectors = 2;
    internal const int BzPayload = (BzSetupSectors + 1) * 512;

    internal static byte[] BzImage(ushort version = 0x20f, bool entry64 = true, bool relocatable = true, uint initSize = 0x20_0000)
    {
        byte[] image = new byte[BzPayload + 4096];
        image[0x1f1] = BzSetupSectors;
        Put32(image, 0x1f4, 4096 / 16);
        Put16(image, 0x1fe, 0xaa55);
        image[0x201] = 0x66;
        Encoding.ASCII.GetBytes("HdrS").CopyTo(image, 0x202);
        Put16(image, 0x206, version);
        image[0x211] = 1;
        Put32(image, 0x214, 0x10_0000);
        Put32(image, 0x22c, 0x7fff_ffff);
        Put32(image, 0x230, 0x20_0000);
        image[0x234] = (byte)(relocatable ? 1 : 0);
        Put16(image, 0x236, (ushort)(entry64 ? 1 : 0));
        Put32(image, 0x238, 2047);
        Put64(image, 0x258, 0x100_0000);
        Put32(image, 0x260, initSize);
        for (int index = BzPayload; index < image.Length; index++) image[index] = (byte)(index * 7);
        return image;
    }

    internal static byte[] Elf64(ulong physical = 0x100_0000, ulong entry = 0x100_0100, uint? pvh = null)
    {
        byte[] image = new byte[0x2000];
        Encoding.ASCII.GetBytes("\x7f" + "ELF").CopyTo(image, 0);
        image[4] = 2;
        image[5] = 1;
        image[6] = 1;
        Put16(image, 16, 2);
        Put16(image, 18, 62);
        Put64(image, 24, entry);
        Put64(image, 32, 64);
        Put16(image, 54, 56);
        Put16(image, 56, (ushort)(pvh is null ? 1 : 2));
        Header64(image, 64, type: 1, offset: 0x1000, physical: physical, virt: 0xffff_ffff_8000_0000 + physical, file: 0x800, memory: 0x3000);
        if (pvh is not null)
        {
            Header64(image, 120, type: 4, offset: 0x200, physical: 0, virt: 0, file: 40, memory: 40);
            // A note of another owner first, then Xen's.
            Put32(image, 0x200, 3);
            Put32(image, 0x204, 1);
            Put32(image, 0x208, 18);
            Encoding.ASCII.GetBytes("GNU").CopyTo(image, 0x20c);
            Put32(image, 0x214, 4);
            Put32(image, 0x218, 4);
            Put32(image, 0x21c, 18);
            Encoding.ASCII.GetBytes("Xen").CopyTo(image, 0x220);
            Put32(image, 0x224, pvh.Value);
        }
        image.AsSpan(0x1000, 0x800).Fill(0xa5);
        return image;
    }

    internal static byte[] MultibootElf32(uint physical = 0x40_0000, uint flags = 3)
    {
        byte[] image = new byte[0x2000];
        Encoding.ASCII.GetBytes("\x7f" + "ELF").CopyTo(image, 0);
        image[4] = 1;
        image[5] = 1;
        image[6] = 1;
        Put16(image, 16, 2);
        Put16(image, 18, 3);
        Put32(image, 24, physical + 0x10);
        Put32(image, 28, 52);
        Put16(image, 42, 32);
        Put16(image, 44, 1);
        Put32(image, 52, 1);
        Put32(image, 56, 0x1000);
        Put32(image, 60, physical);
        Put32(image, 64, physical);
        Put32(image, 68, 0x800);
        Put32(image, 72, 0x2345);
        PutMultiboot(image, 0x1000, flags);
        return image;
    }

    internal static byte[] MultibootFlat(uint load = 0x20_0000, uint loadEnd = 0, uint bssEnd = 0x30_0000)
    {
        byte[] image = new byte[0x1400];
        PutMultiboot(image, 0x40, 0x1_0003);
        Put32(image, 0x4c, load + 0x40);
        Put32(image, 0x50, load);
        Put32(image, 0x54, loadEnd);
        Put32(image, 0x58, bssEnd);
        Put32(image, 0x5c, load + 0x60);
        image[0x60] = 0xf4;
        return image;
    }

    internal static void Put16(byte[] image, int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(offset), value);

    internal static void Put32(byte[] image, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(offset), value);

    internal static void Put64(byte[] image, int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(offset), value);

    private static void PutMultiboot(byte[] image, int offset, uint flags)
    {
        Put32(image, offset, 0x1bad_b002);
        Put32(image, offset + 4, flags);
        Put32(image, offset + 8, ~(0x1bad_b002u + flags) + 1);
    }

    private static void Header64(byte[] image, int at, uint type, ulong offset, ulong physical, ulong virt, ulong file, ulong memory)
    {
        Put32(image, at, type);
        Put64(image, at + 8, offset);
        Put64(image, at + 16, virt);
        Put64(image, at + 24, physical);
        Put64(image, at + 32, file);
        Put64(image, at + 40, memory);
    }
}
