using System;
using System.Buffers.Binary;
using System.Text;
using Hutch.Core.Memory;
using Hutch.Devices;

namespace Hutch.Vmm.Boot;

/// <summary>Linux struct boot_params, the "zero page" (linux Documentation/arch/x86/zero-page.rst and boot.rst).</summary>
internal sealed class ZeroPage
{
    /// <summary>File offset and boot_params offset of the setup header.</summary>
    internal const int SetupHeader = 0x1f1;

    /// <summary>First byte after the part of boot_params that a setup header may fill.</summary>
    internal const int SetupHeaderEnd = 0x290;

    private const int AcpiRsdp = 0x70, ExtRamdiskImage = 0xc0, ExtRamdiskSize = 0xc4, AltMemK = 0x1e0, E820Entries = 0x1e8;
    private const int BootFlag = 0x1fe, Magic = 0x202, Version = 0x206, TypeOfLoader = 0x210, LoadFlags = 0x211, Code32Start = 0x214;
    private const int RamdiskImage = 0x218, RamdiskSize = 0x21c, CmdLinePtr = 0x228, KernelAlignment = 0x230, CmdLineSize = 0x238;
    private const int SetupDataPtr = 0x250, E820Table = 0x2d0, E820EntryBytes = 20;
    private const int ScreenKind = 0x0f, ScreenWidth = 0x12, ScreenHeight = 0x14, ScreenDepth = 0x16, ScreenBase = 0x18, ScreenBytes = 0x1c, ScreenLineBytes = 0x24, ScreenParts = 0x26;
    private const byte EfiFrameBuffer = 0x70;
    private const byte LoadedHigh = 1, UnregisteredLoader = 0xff;
    private const uint RngSeed = 9;

    private readonly byte[] _page = new byte[4096];

    /// <summary>Starts from the setup header of a bzImage.</summary>
    internal static ZeroPage FromSetupHeader(ReadOnlySpan<byte> header)
    {
        ZeroPage page = new();
        header[..Math.Min(header.Length, SetupHeaderEnd - SetupHeader)].CopyTo(page._page.AsSpan(SetupHeader));
        return page;
    }

    /// <summary>Starts from a header as a bzImage of protocol 2.12 would have it, for an ELF image that has none.</summary>
    internal static ZeroPage ForElf()
    {
        ZeroPage page = new();
        page.Put16(BootFlag, 0xaa55);
        page.Put32(Magic, 0x5372_6448);
        page.Put16(Version, 0x20c);
        page.Put32(KernelAlignment, 0x100_0000);
        page.Put32(CmdLineSize, BootLayout.CommandLineRoom - 1);
        return page;
    }

    /// <summary>Fills in what every boot has: the loader's mark, the memory map, ACPI and the command line.</summary>
    internal void Describe(BootTarget target, uint code32Start)
    {
        _page[TypeOfLoader] = UnregisteredLoader;
        _page[LoadFlags] = (byte)(_page[LoadFlags] | LoadedHigh);
        Put32(Code32Start, code32Start);
        Put32(CmdLinePtr, (uint)BootLayout.CommandLine);
        BinaryPrimitives.WriteUInt64LittleEndian(_page.AsSpan(AcpiRsdp), target.RootPointer);
        Put32(AltMemK, (uint)((target.Memory.LowBytes - BootLayout.HighRamStart) >> 10));
        PutMap(target.Map);
        if (target.Screen is LinearMode mode) PutScreen(mode);
    }

    /// <summary>Says where the initial RAM disk is.</summary>
    internal void SetInitrd(ulong address, ulong lengthBytes)
    {
        Put32(RamdiskImage, (uint)address);
        Put32(RamdiskSize, (uint)lengthBytes);
        Put32(ExtRamdiskImage, (uint)(address >> 32));
        Put32(ExtRamdiskSize, (uint)(lengthBytes >> 32));
    }

    /// <summary>Puts a seed for the kernel's random number generator into the setup_data chain.</summary>
    internal void AddRandomSeed(GuestMemory memory, ReadOnlySpan<byte> seed)
    {
        // struct setup_data: next (u64), type (u32), length (u32), data. In front of whatever chain the image brought: none.
        Span<byte> entry = stackalloc byte[16 + 32];
        entry.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], RngSeed);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[12..], 32);
        seed[..32].CopyTo(entry[16..]);
        memory.TryCopyIn(BootLayout.SetupData, entry);
        BinaryPrimitives.WriteUInt64LittleEndian(_page.AsSpan(SetupDataPtr), BootLayout.SetupData);
    }

    /// <summary>Writes the page to its place.</summary>
    internal void Store(GuestMemory memory) => memory.TryCopyIn(BootLayout.ZeroPage, _page);

    /// <summary>Writes the command line and its NUL. Throws <see cref="ConfigException"/> when it has more than <paramref name="limitBytes"/> bytes.</summary>
    internal static void StoreCommandLine(GuestMemory memory, string commandLine, uint limitBytes)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(commandLine + "\0");
        uint limit = Math.Min(limitBytes, BootLayout.CommandLineRoom - 1);
        if (bytes.Length - 1 > limit)
            throw new ConfigException($"The kernel command line has {bytes.Length - 1} bytes but this kernel takes {limit} at most; shorten --append.");
        memory.TryCopyIn(BootLayout.CommandLine, bytes);
    }

    // struct screen_info (linux include/uapi/linux/screen_info.h): a linear frame buffer. Of the kinds that there are, that of EFI is the one that stock kernels have a driver for.
    private void PutScreen(LinearMode mode)
    {
        _page[ScreenKind] = EfiFrameBuffer;
        Put16(ScreenWidth, (ushort)mode.Width);
        Put16(ScreenHeight, (ushort)mode.Height);
        Put16(ScreenDepth, 32);
        Put32(ScreenBase, (uint)mode.Address);
        Put32(ScreenBytes, (uint)(mode.LineBytes * mode.Height));
        Put16(ScreenLineBytes, (ushort)mode.LineBytes);
        // Size and place of red, green, blue and what is not shown.
        ReadOnlySpan<byte> parts = [8, 16, 8, 8, 8, 0, 8, 24];
        parts.CopyTo(_page.AsSpan(ScreenParts));
    }

    private void PutMap(MemoryRange[] map)
    {
        _page[E820Entries] = (byte)map.Length;
        for (int index = 0; index < map.Length; index++)
        {
            Span<byte> entry = _page.AsSpan(E820Table + (index * E820EntryBytes), E820EntryBytes);
            BinaryPrimitives.WriteUInt64LittleEndian(entry, map[index].Start);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], map[index].LengthBytes);
            BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], (uint)map[index].Kind);
        }
    }

    private void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_page.AsSpan(offset), value);

    private void Put32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(_page.AsSpan(offset), value);
}
