using System;
using System.Buffers.Binary;

namespace Hutch.Cpu.Tests.Conformance;

/// <summary>One instruction and the state that it starts from.</summary>
internal sealed class TestVector
{
    /// <summary>What the report calls it: the Code, and the shape of its operands.</summary>
    public string Name = "";

    /// <summary>General registers in encoding order.</summary>
    public readonly ulong[] Gpr = new ulong[16];
    public ulong Rip, Flags;

    /// <summary>The instructions, then INT3s.</summary>
    public readonly byte[] Code = new byte[OracleLayout.CodeBytes];
    public int Length;

    /// <summary>64, or 32 for compatibility mode.</summary>
    public int Bitness = 64;

    /// <summary>How many instructions <see cref="Code"/> holds.</summary>
    public int Instructions = 1;

    /// <summary>Flags that are undefined after a block, because the manuals call them so.</summary>
    public ulong UndefinedFlags;

    /// <summary>Bytes to put over the template of the data pages.</summary>
    public readonly byte[] Patch = new byte[OracleLayout.PatchBytes];
    public ulong PatchAddress = OracleLayout.Data;
    public int PatchLength { get; set; }

    /// <summary>Where the instruction stores an x87 image, some fields of which may differ; 0: nowhere.</summary>
    public ulong ImageAddress;
    public ImageKind ImageKind;

    /// <summary>The first 416 bytes of an FXSAVE image, and the upper halves of the YMM registers.</summary>
    public readonly byte[] Legacy = new byte[OracleLayout.LegacyBytes];
    public readonly byte[] YmmHigh = new byte[OracleLayout.YmmHighBytes];

    /// <summary>64-bit code in an ordinary environment: interrupts on, x87 and SSE as the ABI leaves them.</summary>
    public static TestVector Of(params ReadOnlySpan<byte> code)
    {
        var vector = new TestVector { Rip = OracleLayout.Code + 0x100, Flags = 0x202, Length = code.Length };
        vector.Code.AsSpan().Fill(0xcc);
        code.CopyTo(vector.Code);
        BinaryPrimitives.WriteUInt16LittleEndian(vector.Legacy, 0x037f);
        BinaryPrimitives.WriteUInt32LittleEndian(vector.Legacy.AsSpan(24), 0x1f80);
        return vector;
    }
}

/// <summary>The state that an instruction ended in.</summary>
internal sealed class TestOutcome
{
    public readonly ulong[] Gpr = new ulong[16];
    public ulong Rip, Flags, Error, Cr2;

    /// <summary>Exception vector; <see cref="Completed"/> when there was none.</summary>
    public int Trap;
    public readonly byte[] Legacy = new byte[OracleLayout.LegacyBytes];
    public readonly byte[] YmmHigh = new byte[OracleLayout.YmmHighBytes];
    public readonly byte[] Data = new byte[OracleLayout.DataBytes];

    public const int Completed = -1;
}

/// <summary>Formats of x87 state in memory.</summary>
internal enum ImageKind
{
    Fxsave,

    /// <summary>14 or 94 bytes.</summary>
    Environment16,

    /// <summary>28 or 108 bytes.</summary>
    Environment32,
}
