using System;
using System.Text;
using Hutch.Model.Processor;

namespace Hutch.Core.Cpuid;

/// <summary>Leaves that say which CPU it is and what caches it has: a named model's own, else the host's.</summary>
internal sealed class ModelLeaves(ResolvedCpu cpu, HostCpuid engine)
{
    private const uint DataCache = 1, CodeCache = 2, UnifiedCache = 3, SelfInitializing = 1 << 8;

    // Linux and others read leaf 4 where descriptor 0xff is; older CPUs have 32 KiB first-level and 2 MiB second-level caches (Intel SDM 2A, CPUID, table 3-12).
    private const uint OneRound = 1, ReadLeaf4 = 0xff << 8, OldCaches = 0x2c_30_7d;

    /// <summary>EBX, ECX and EDX of leaf 0.</summary>
    public CpuidRegisters Vendor
    {
        get
        {
            if (cpu.IsOfHost) return engine(0, 0);
            byte[] text = Encoding.ASCII.GetBytes(cpu.Identity.Vendor.Text());
            return new CpuidRegisters(0, BitConverter.ToUInt32(text, 0), BitConverter.ToUInt32(text, 8), BitConverter.ToUInt32(text, 4));
        }
    }

    /// <summary>Leaf 2.</summary>
    public CpuidRegisters CacheDescriptors => cpu.IsOfHost ? engine(2, 0)
        : cpu.Caches.IsEmpty ? new CpuidRegisters(OneRound, 0, 0, 0)
        : cpu.Level >= 4 ? new CpuidRegisters(OneRound | ReadLeaf4, 0, 0, 0)
        : new CpuidRegisters(OneRound, 0, 0, OldCaches);

    /// <summary>Leaf 4 or 0x8000001d without what the topology decides (Intel SDM 2A, CPUID; AMD APM 3, Fn8000_001D).</summary>
    public CpuidRegisters Cache(uint leaf, uint subleaf)
    {
        if (cpu.IsOfHost) return engine(leaf, subleaf);
        if (subleaf >= cpu.Caches.Length) return default;
        CpuCache cache = cpu.Caches[(int)subleaf];
        uint type = subleaf switch { 0 => DataCache, 1 => CodeCache, _ => UnifiedCache }, level = Math.Max(subleaf, 1);
        return new CpuidRegisters(type | level << 5 | SelfInitializing, (cache.Ways - 1) << 22 | (CpuCache.LineBytes - 1), cache.Sets - 1, 0);
    }

    /// <summary>Leaves 0x80000002 to 0x80000006, 0x80000019 and 0x8000001a.</summary>
    public CpuidRegisters Extended(uint leaf)
    {
        if (cpu.IsOfHost) return leaf == 0x8000_0005 && !cpu.Identity.Vendor.IsAmd() ? default : engine(leaf, 0);
        return leaf switch
        {
            <= 0x8000_0004 => Brand((int)(leaf - 0x8000_0002)),
            0x8000_0005 when cpu.Identity.Vendor.IsAmd() && !cpu.Caches.IsEmpty => new CpuidRegisters(0, 0, FirstLevel(cpu.Caches[0]), FirstLevel(cpu.Caches[1])),
            0x8000_0006 when !cpu.Caches.IsEmpty => new CpuidRegisters(0, 0, SecondLevel(cpu.Caches[2]), cpu.Identity.Vendor.IsAmd() ? ThirdLevel(cpu.Caches[3]) : 0),
            _ => default,
        };
    }

    private CpuidRegisters Brand(int part)
    {
        byte[] text = new byte[48];
        Encoding.ASCII.GetBytes(cpu.Identity.ModelId.AsSpan(), text);
        uint At(int index) => BitConverter.ToUInt32(text, (16 * part) + (4 * index));
        return new CpuidRegisters(At(0), At(1), At(2), At(3));
    }

    // AMD APM 3, Fn8000_0005: KiB, ways, lines for each tag, line size.
    private static uint FirstLevel(CpuCache cache) => cache.Bytes >> 10 << 24 | cache.Ways << 16 | 1 << 8 | CpuCache.LineBytes;

    // Fn8000_0006: KiB or 512-KiB units, the code of the ways, lines for each tag, line size.
    private static uint SecondLevel(CpuCache cache) => cache.Bytes >> 10 << 16 | WaysCode(cache.Ways) << 12 | 1 << 8 | CpuCache.LineBytes;

    private static uint ThirdLevel(CpuCache cache) => cache.Bytes >> 19 << 18 | WaysCode(cache.Ways) << 12 | 1 << 8 | CpuCache.LineBytes;

    private static uint WaysCode(uint ways) => ways switch { 1 => 1, 2 => 2, 4 => 4, 8 => 6, 16 => 8, 32 => 0xa, _ => 0xf };
}
