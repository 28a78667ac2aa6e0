namespace Hutch.Cpu.State;

/// <summary>
/// Layout of a context area. The first <see cref="StateBytes"/> are the vCPU's one state, mapped into every area; what follows
/// belongs to one address space (CR3, PCID): its TLBs and jump caches. A CR3 load selects an area by changing GS base, so that
/// nothing need be flushed.
/// </summary>
internal static class ContextLayout
{
    /// <summary>Bytes of the shared state.</summary>
    public const int StateBytes = 0x2000;

    /// <summary>Number of areas a vCPU has.</summary>
    public const int Areas = 8;

    /// <summary>Entries of one data TLB, direct mapped by VA bits 12 and up.</summary>
    public const int TlbEntries = 1024;

    /// <summary>Bytes of one entry: see <see cref="TlbEntry"/>.</summary>
    public const int TlbEntryBytes = 32;

    /// <summary>Data TLB of an <see cref="AccessMode"/>: <c>Tlb + mode * TlbStride</c>. The entry of an address is at <c>(va &gt;&gt; 7) &amp; TlbIndexMask</c> in bytes.</summary>
    public const int Tlb = 0x2000, TlbStride = TlbEntries * TlbEntryBytes, TlbIndexMask = TlbStride - TlbEntryBytes;

    /// <summary>Instruction TLBs: supervisor, then user. An entry is 8 bytes: VA bits 12-47 in bits 28-63, PA bits 12-39 in bits 0-27.</summary>
    public const int Itlb = 0x1a000, ItlbEntries = 512, ItlbStride = ItlbEntries * 8;

    /// <summary>Jump caches by <see cref="AccessMode"/>: 8-byte host addresses of indirect entries.</summary>
    public const int JumpCache = 0x20000, JumpCacheEntries = 16384, JumpCacheStride = JumpCacheEntries * 8;

    /// <summary>Address bits that index the jump cache: 14 bits from this one. More of the low bits, and functions, which begin at multiples of 16, share few slots; fewer, and returns do.</summary>
    public const int JumpCacheShift = 2;

    /// <summary>Those bits, as PEXT wants them.</summary>
    public const ulong JumpCachePextMask = (ulong)(JumpCacheEntries - 1) << JumpCacheShift;

    /// <summary>Offset of an address's slot in a jump cache.</summary>
    public static int JumpSlot(ulong rip) => (int)((rip >> JumpCacheShift) & (JumpCacheEntries - 1)) * 8;

    /// <summary>Bytes of a whole area.</summary>
    public const int AreaBytes = 0x80000;
}

/// <summary>
/// A data TLB entry. A tag is the page's linear address where that access may go straight to RAM, else a value that no
/// address in this slot can be within a page of.
/// </summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Sequential)]
internal struct TlbEntry
{
    /// <summary>The bit of <see cref="Meta"/> for global pages.</summary>
    public const ulong GlobalBit = 2;

    /// <summary>Offset 0: tag for loads.</summary>
    public ulong ReadTag;

    /// <summary>Offset 8: tag for stores and read-modify-writes (only when D is set and the page holds no translated code).</summary>
    public ulong WriteTag;

    /// <summary>Offset 16: host address of the page's first byte.</summary>
    public ulong HostPage;

    /// <summary>Offset 24: guest physical page address, with bit 0 set when the guest's page is larger than 4 KiB and bit 1 when it is global.</summary>
    public ulong Meta;
}

/// <summary>Which TLB and jump cache an access uses.</summary>
internal enum AccessMode
{
    /// <summary>CPL 0-2; where CR4.SMAP is set, with RFLAGS.AC clear.</summary>
    Supervisor = 0,

    /// <summary>CPL 3.</summary>
    User = 1,

    /// <summary>CPL 0-2 with CR4.SMAP and RFLAGS.AC set.</summary>
    SupervisorAc = 2,
}

/// <summary>Everything besides the code bytes and its address that a translation depends on.</summary>
[System.Flags]
internal enum BlockMode : uint
{
    /// <summary>The <see cref="AccessMode"/>.</summary>
    AccessMask = 3,

    /// <summary>64-bit code (EFER.LMA and CS.L).</summary>
    Long64 = 1 << 2,

    /// <summary>CS.D: 32-bit operands and addresses by default.</summary>
    Code32 = 1 << 3,

    /// <summary>SS.B: 32-bit stack pointer (never set in <see cref="Long64"/>).</summary>
    Stack32 = 1 << 4,

    /// <summary>Outside 64-bit mode: some of CS, DS, ES, SS has a base or is not a 4 GiB segment.</summary>
    Segmented = 1 << 5,

    /// <summary>CR0.PE and not RFLAGS.VM.</summary>
    Protected = 1 << 6,

    /// <summary>CR0.TS or CR0.EM: every x87, MMX, SSE and AVX instruction goes to the interpreter.</summary>
    FpuTrap = 1 << 7,

    /// <summary>CR4.OSFXSR.</summary>
    Sse = 1 << 8,

    /// <summary>CR4.OSXSAVE and XCR0 enable AVX.</summary>
    Avx = 1 << 9,

    /// <summary>An x87 or SIMD exception is unmasked: such arithmetic goes to the interpreter.</summary>
    StrictFp = 1 << 10,

    /// <summary>TF, enabled breakpoints, or alignment checks: the interpreter executes everything.</summary>
    InterpretOnly = 1 << 11,

    /// <summary>CPL is 0.</summary>
    Cpl0 = 1 << 12,

    /// <summary>RDTSC and RDTSCP are allowed (CPL 0 or CR4.TSD clear).</summary>
    Rdtsc = 1 << 13,

    /// <summary>CR4.FSGSBASE.</summary>
    FsGsBase = 1 << 14,
}
