using System;
using System.Buffers.Binary;
using System.IO;
using System.Numerics;
using Hutch.Core.Bus;

namespace Hutch.Devices.Pci;

/// <summary>The image behind a function's ROM BAR, which firmware executes: a video BIOS, or a driver to boot from the network (PCI Firmware 3.3 §5.2).</summary>
internal sealed class OptionRom : IBusDevice
{
    private const int BlockBytes = 512, BlockCount = 2, ChecksumFix = 6, StructurePointer = 0x18, VendorOffset = 4, StructureBytes = 24, MostBytes = 1 << 20;

    private readonly byte[] _image;

    /// <summary>Takes an image.</summary>
    internal OptionRom(byte[] image)
    {
        _image = image;
        LengthBytes = Math.Max(2048, BitOperations.RoundUpToPowerOf2((ulong)image.Length));
    }

    /// <summary>What the BAR spans: a power of two, 2 KiB at least (PCI Local Bus 3.0 §6.2.5.2).</summary>
    internal ulong LengthBytes { get; }

    /// <summary>Reads an image from a file. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="device">Whose it is to be.</param>
    /// <param name="path">The file.</param>
    internal static OptionRom Load(string device, string path)
    {
        try
        {
            using FileStream file = File.OpenRead(path);
            if (file.Length is < BlockBytes or > MostBytes) throw new ConfigException($"The ROM {path} of '{device}' has {file.Length} bytes and no such image has; name another with romfile=.");
            byte[] image = new byte[file.Length];
            file.ReadExactly(image);
            if (image[0] != 0x55 || image[1] != 0xaa) throw new ConfigException($"The ROM {path} of '{device}' does not begin with 55 aa as option ROMs do; name another with romfile=.");
            return new OptionRom(image);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"The ROM {path} of '{device}' cannot be read ({refused.Message.TrimEnd('.')}); check the path.", refused);
        }
    }

    /// <summary>Writes a function's identity into the image, without which firmware would not execute it: one driver serves several cards. The sum of its bytes stays.</summary>
    internal void Fit(ushort vendor, ushort device)
    {
        int at = BinaryPrimitives.ReadUInt16LittleEndian(_image.AsSpan(StructurePointer));
        if (at + StructureBytes > Math.Min(_image.Length, _image[BlockCount] * BlockBytes) || !_image.AsSpan(at, 4).SequenceEqual("PCIR"u8)) return;
        Span<byte> identity = _image.AsSpan(at + VendorOffset, 4);
        byte before = Sum(identity);
        BinaryPrimitives.WriteUInt16LittleEndian(identity, vendor);
        BinaryPrimitives.WriteUInt16LittleEndian(identity[2..], device);
        _image[ChecksumFix] += (byte)(before - Sum(identity));
    }

    /// <inheritdoc/>
    public BusStatus Read(ulong offset, Span<byte> data)
    {
        for (int i = 0; i < data.Length; i++) data[i] = (int)offset + i < _image.Length ? _image[(int)offset + i] : (byte)0xff;
        return BusStatus.Handled;
    }

    /// <inheritdoc/>
    public BusStatus Write(ulong offset, ReadOnlySpan<byte> data) => BusStatus.Handled;

    private static byte Sum(ReadOnlySpan<byte> bytes)
    {
        byte sum = 0;
        foreach (byte value in bytes) sum += value;
        return sum;
    }
}
