namespace Hutch.Cpu.Tests.Conformance;

/// <summary>
/// The linear addresses that a test instruction sees, the same in the oracle process and in the guest, and the layout of the file that the oracle and
/// the test share.
/// </summary>
internal static class OracleLayout
{
    /// <summary>The page that instructions run in. Filled with INT3 around the instruction.</summary>
    public const ulong Code = 0x4000_0000;

    /// <summary>
    /// Two writable pages, a read-only one, then nothing. Below them nothing is mapped.
    /// </summary>
    public const ulong Data = 0x5000_0000;
    public const int DataBytes = 0x2000;
    public const ulong ReadOnly = Data + DataBytes, Unmapped = ReadOnly + 0x1000;

    /// <summary>What FS and GS base hold.</summary>
    public const ulong FsBase = Data + 0x800, GsBase = Data + 0x1400;

    /// <summary>Where the oracle maps the shared file. Like its other memory, at an address that no random pointer is likely to hit.</summary>
    public const ulong Shared = 0x2345_7000_0000;

    public const int MaxVectors = 512;

    // Header of the shared file.
    public const int Count = 0, Index = 8;
    public const int Template = 0x1000;
    public const int Vectors = 0x3000, VectorBytes = 1024;
    public const int Results = Vectors + MaxVectors * VectorBytes, ResultBytes = 0x2400;
    public const int CodePage = (Results + MaxVectors * ResultBytes + 0xfff) & ~0xfff;
    public const int SharedBytes = CodePage + 0x1000;

    // A vector: registers in the order of struct sigcontext, what to write to memory, the instruction, and the vector state.
    public const int Registers = 0, RegisterBytes = 18 * 8, RipRegister = 16, FlagsRegister = 17;
    public const int PatchAddress = 152, PatchLength = 160, Bytes = 168, CodeBytes = 80, Patch = 256, PatchBytes = 64;
    public const int Legacy = 320, LegacyBytes = 416, YmmHigh = 736, YmmHighBytes = 256, CodeSelector = 992;

    /// <summary>What Linux calls its user segments: 64-bit code, 32-bit code, data.</summary>
    public const ushort Code64 = 0x33, Code32 = 0x23, DataSelector = 0x2b;

    // A result: registers as above, then err, trapno, oldmask, cr2 as the kernel saved them; the XSAVE image; the data pages.
    public const int ResultRegisterBytes = 184, ResultError = 152, ResultTrap = 160, ResultCr2 = 176, ResultXsave = 192, ResultXsaveBytes = 832, ResultData = 1024;

    /// <summary>Encoding number to place in the order of struct sigcontext.</summary>
    public static readonly int[] RegisterOrder = [13, 14, 12, 11, 15, 10, 9, 8, 0, 1, 2, 3, 4, 5, 6, 7];
}
