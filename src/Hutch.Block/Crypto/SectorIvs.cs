using System;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Hutch.Block.Crypto;

/// <summary>How a sector's number becomes its initialisation vector (dm-crypt's names).</summary>
internal enum SectorIvKind
{
    /// <summary>plain: the number's low 32 bits, little-endian.</summary>
    Plain,

    /// <summary>plain64: the number, little-endian.</summary>
    Plain64,

    /// <summary>essiv: the number, encrypted with a hash of the key.</summary>
    Essiv,
}

/// <summary>Makes the initialisation vectors of sectors. Any thread.</summary>
internal sealed class SectorIvs
{
    private readonly SectorIvKind _kind;
    private readonly AesBlocks? _essiv;

    /// <summary>Makes plain or plain64 vectors.</summary>
    internal SectorIvs(SectorIvKind kind)
    {
        ArgumentOutOfRangeException.ThrowIfEqual((int)kind, (int)SectorIvKind.Essiv);
        _kind = kind;
    }

    /// <summary>Makes essiv vectors with the hash of the sectors' key, 16, 24 or 32 bytes.</summary>
    internal SectorIvs(ReadOnlySpan<byte> keyHash)
    {
        _kind = SectorIvKind.Essiv;
        _essiv = AesBlocks.Create(keyHash);
    }

    /// <summary>Fills one vector for each sector from number <paramref name="sector"/> on.</summary>
    internal void Fill(long sector, Span<Vector128<byte>> vectors)
    {
        for (int i = 0; i < vectors.Length; i++)
        {
            ulong number = (ulong)(sector + i);
            vectors[i] = Vector128.Create(_kind == SectorIvKind.Plain ? (uint)number : number, 0).AsByte();
        }
        _essiv?.Encrypt(MemoryMarshal.AsBytes(vectors));
    }
}
