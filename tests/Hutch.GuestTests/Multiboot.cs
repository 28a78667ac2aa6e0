using System;
using System.Buffers.Binary;
using System.IO;

namespace Hutch.GuestTests;

/// <summary>Kernels of a few bytes: a multiboot 1 header with load addresses (multiboot 0.6.96 §3.1), then 32-bit code with paging off.</summary>
internal static class Multiboot
{
    private const uint Load = 0x100000, Magic = 0x1badb002, HasAddresses = 1 << 16;
    private const int HeaderBytes = 32;

    /// <summary>Writes the image and returns its path. A stack is set up before <paramref name="code"/>.</summary>
    internal static string Write(TemporaryFolder folder, ReadOnlySpan<byte> code)
    {
        byte[] image = new byte[HeaderBytes + 5 + code.Length];
        // magic, flags, checksum, header's address, load address, load end (0: all), bss end (0: none), entry.
        ReadOnlySpan<uint> header = [Magic, HasAddresses, unchecked(0 - Magic - HasAddresses), Load, Load, 0, 0, Load + HeaderBytes];
        for (int i = 0; i < header.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(i * 4), header[i]);
        image[HeaderBytes] = 0xbc;                                                  // mov esp, 0x80000
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(HeaderBytes + 1), 0x80000);
        code.CopyTo(image.AsSpan(HeaderBytes + 5));
        string path = folder.File("kernel");
        File.WriteAllBytes(path, image);
        return path;
    }
}
