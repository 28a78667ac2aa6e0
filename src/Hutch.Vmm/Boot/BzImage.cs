using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Devices;

namespace Hutch.Vmm.Boot;

/// <summary>
/// A Linux bzImage, or another program in that form (memtest86+). Entered by the 64-bit protocol where its header offers that,
/// else by the 32-bit one (linux Documentation/arch/x86/boot.rst).
/// </summary>
internal sealed class BzImage : IKernelImage
{
    private const int HeaderMagic = 0x202, SetupSects = 0x1f1, SysSize = 0x1f4, HeaderLength = 0x201, ProtocolVersion = 0x206, LoadFlags = 0x211;
    private const int Code32Start = 0x214, InitrdAddrMax = 0x22c, RelocatableKernel = 0x234, XLoadFlags = 0x236, CmdLineSizeMax = 0x238;
    private const int PrefAddress = 0x258, InitSize = 0x260;
    private const ushort OldestVersion = 0x202;
    private const byte LoadedHigh = 1;
    private const ushort Kernel64 = 1;
    private const ulong Entry64 = 0x200;

    private readonly ImageSource _source;
    private readonly byte[] _header;

    private BzImage(ImageSource source, byte[] header)
    {
        _source = source;
        _header = header;
    }

    /// <inheritdoc/>
    public string Protocol => "bzImage";

    /// <summary>Offset in the file of the part that runs in protected mode.</summary>
    internal ulong PayloadOffset { get; private init; }

    /// <summary>Guest physical address to load that part at.</summary>
    internal ulong LoadAddress { get; private init; }

    /// <summary>Bytes from the load address that the kernel needs before it has read the memory map.</summary>
    internal ulong WorkingBytes { get; private init; }

    /// <summary>Whether the 64-bit entry point exists.</summary>
    internal bool HasEntry64 { get; private init; }

    /// <summary>Highest address for the initial RAM disk's last byte.</summary>
    internal ulong InitrdLast { get; private init; }

    /// <summary>Longest command line in bytes, without its NUL.</summary>
    internal uint CommandLineLimit { get; private init; }

    /// <summary>Whether the header has a chain for extra data.</summary>
    internal bool TakesSetupData { get; private init; }

    /// <summary>Whether the start of a file has the signatures of a boot sector and of a setup header.</summary>
    internal static bool IsBzImage(ReadOnlySpan<byte> head) =>
        head.Length >= 0x206 && head[0x1fe] == 0x55 && head[0x1ff] == 0xaa && head.Slice(HeaderMagic, 4).SequenceEqual("HdrS"u8);

    /// <summary>Parses the header. Throws <see cref="ConfigException"/> for one that cannot be booted.</summary>
    /// <param name="source">The file.</param>
    /// <param name="head">Its first bytes, which <see cref="IsBzImage"/> accepted.</param>
    internal static BzImage Parse(ImageSource source, ReadOnlySpan<byte> head)
    {
        byte[] page = new byte[ZeroPage.SetupHeaderEnd];
        int headerEnd = Math.Min(Math.Min(HeaderMagic + head[HeaderLength], page.Length), head.Length);
        if (headerEnd > ZeroPage.SetupHeader) head[ZeroPage.SetupHeader..headerEnd].CopyTo(page.AsSpan(ZeroPage.SetupHeader));
        ushort version = Read16(page, ProtocolVersion);
        if (version < OldestVersion)
            throw new ConfigException($"The kernel {source.Name} speaks boot protocol {version >> 8}.{version & 0xff:00}; 2.02 is the oldest that is supported.");
        if ((page[LoadFlags] & LoadedHigh) == 0)
            throw new ConfigException($"The kernel {source.Name} is a zImage, which loads below 1 MiB; only bzImage is supported.");
        ulong payload = ((page[SetupSects] == 0 ? 4UL : page[SetupSects]) + 1) * 512;
        // The protected-mode part in 16-byte units, rounded up; a signature may follow it.
        ulong promised = version >= 0x204 ? (ulong)Read32(page, SysSize) * 16 : 1;
        if (payload >= (ulong)source.LengthBytes || (((ulong)source.LengthBytes - payload + 15) & ~15UL) < promised)
            throw new ConfigException($"The kernel {source.Name} is truncated: its header promises more than the file holds.");
        return Build(source, page, version, payload);
    }

    /// <inheritdoc/>
    public void Load(BootTarget target)
    {
        GuestMemory memory = target.Memory;
        ulong length = (ulong)_source.LengthBytes - PayloadOffset;
        ulong end = LoadAddress + Math.Max(length, WorkingBytes);
        if (!BootLayout.IsFree(memory, LoadAddress, end - LoadAddress))
            throw new ConfigException($"The kernel {_source.Name} needs {InitrdPlacement.Mebibytes(end)} MiB of guest memory; give the guest more with --memory.");
        ZeroPage.StoreCommandLine(memory, target.CommandLine, CommandLineLimit);
        ZeroPage page = ZeroPage.FromSetupHeader(_header.AsSpan(ZeroPage.SetupHeader));
        page.Describe(target, (uint)LoadAddress);
        if (target.Initrd is ImageSource initrd)
        {
            ulong address = InitrdPlacement.Place(memory, initrd, InitrdLast, LoadAddress, end);
            initrd.Load(memory, address, 0, (ulong)initrd.LengthBytes);
            page.SetInitrd(address, (ulong)initrd.LengthBytes);
        }
        if (TakesSetupData) page.AddRandomSeed(memory, target.RandomSeed);
        page.Store(memory);
        _source.Load(memory, LoadAddress, PayloadOffset, length);
        if (HasEntry64) EntryState.EnterLongMode(memory, target.Cpu, LoadAddress + Entry64, BootLayout.ZeroPage);
        else
        {
            EntryState.EnterProtectedMode(memory, target.Cpu, (uint)LoadAddress);
            target.Cpu.Gpr[6] = BootLayout.ZeroPage;
        }
    }

    private static BzImage Build(ImageSource source, byte[] page, ushort version, ulong payload)
    {
        bool relocatable = version >= 0x205 && page[RelocatableKernel] != 0;
        ulong preferred = version >= 0x20a ? BinaryPrimitives.ReadUInt64LittleEndian(page.AsSpan(PrefAddress)) : 0;
        ulong load = relocatable && preferred >= BootLayout.HighRamStart ? preferred : Read32(page, Code32Start);
        if (load < BootLayout.HighRamStart || load > uint.MaxValue)
            throw new ConfigException($"The kernel {source.Name} has a damaged header: it wants to be loaded at 0x{load:x}.");
        bool entry64 = version >= 0x20c && (Read16(page, XLoadFlags) & Kernel64) != 0;
        if (entry64 && (ulong)source.LengthBytes - payload <= Entry64)
            throw new ConfigException($"The kernel {source.Name} is truncated: its 64-bit entry point is beyond the end of the file.");
        return new BzImage(source, page)
        {
            PayloadOffset = payload,
            LoadAddress = load,
            WorkingBytes = version >= 0x20a ? Read32(page, InitSize) : 0,
            HasEntry64 = entry64,
            InitrdLast = version >= 0x203 ? Read32(page, InitrdAddrMax) : 0x37ff_ffff,
            CommandLineLimit = version >= 0x206 ? Read32(page, CmdLineSizeMax) : 255,
            TakesSetupData = version >= 0x209,
        };
    }

    private static ushort Read16(byte[] page, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(page.AsSpan(offset));

    private static uint Read32(byte[] page, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(page.AsSpan(offset));
}
