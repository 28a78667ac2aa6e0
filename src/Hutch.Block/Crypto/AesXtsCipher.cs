using System;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Hutch.Block.Crypto;

/// <summary>
/// AES in XTS mode (IEEE 1619) over sectors of 512 bytes: a run of sectors gets its tweaks, then all its blocks go through the cipher at once.
/// </summary>
internal sealed class AesXtsCipher : ISectorCipher
{
    // Data, tweaks and all of a run stay in the first-level cache.
    private const int RunSectors = 8, SectorBlocks = Bytes / AesBlocks.BlockBytes;
    private const int Bytes = 512;

    private readonly AesBlocks _data;
    private readonly AesBlocks _tweak;
    private readonly SectorIvs _ivs;

    /// <summary>Takes both keys, one behind the other: 32, 48 or 64 bytes.</summary>
    internal AesXtsCipher(ReadOnlySpan<byte> keys, SectorIvs ivs)
    {
        _data = AesBlocks.Create(keys[..(keys.Length / 2)]);
        _tweak = AesBlocks.Create(keys[(keys.Length / 2)..]);
        _ivs = ivs;
    }

    /// <inheritdoc/>
    public int SectorBytes => Bytes;

    /// <inheritdoc/>
    public void Encrypt(long offsetBytes, Span<byte> data) => Run(offsetBytes, data, encrypt: true);

    /// <inheritdoc/>
    public void Decrypt(long offsetBytes, Span<byte> data) => Run(offsetBytes, data, encrypt: false);

    private void Run(long offsetBytes, Span<byte> data, bool encrypt)
    {
        SectorAlignment.Check(offsetBytes, data.Length, Bytes);
        Span<Vector128<byte>> ivs = stackalloc Vector128<byte>[RunSectors];
        Span<Vector128<byte>> tweaks = stackalloc Vector128<byte>[RunSectors * SectorBlocks];
        for (long sector = offsetBytes / Bytes; data.Length != 0; sector += RunSectors)
        {
            int sectors = Math.Min(RunSectors, data.Length / Bytes);
            Span<byte> run = data[..(sectors * Bytes)];
            _ivs.Fill(sector, ivs[..sectors]);
            _tweak.Encrypt(MemoryMarshal.AsBytes(ivs[..sectors]));
            for (int i = 0; i < sectors; i++) Spread(ivs[i], tweaks.Slice(i * SectorBlocks, SectorBlocks));
            Mask(run, tweaks);
            if (encrypt) _data.Encrypt(run);
            else _data.Decrypt(run);
            Mask(run, tweaks);
            data = data[run.Length..];
        }
    }

    // Each block's tweak is the one before times x in GF(2^128): a shift by one bit, and 0x87 for the bit that falls out (IEEE 1619 §5.2).
    private static void Spread(Vector128<byte> first, Span<Vector128<byte>> tweaks)
    {
        Vector128<int> fold = Vector128.Create(0x87, 0, 1, 0);
        Vector128<ulong> tweak = first.AsUInt64();
        for (int i = 0; i < tweaks.Length; i++)
        {
            tweaks[i] = tweak.AsByte();
            Vector128<int> carries = Vector128.Shuffle(tweak.AsInt32(), Vector128.Create(3, 0, 1, 0)) >> 31;
            tweak = (tweak + tweak) ^ (carries & fold).AsUInt64();
        }
    }

    private static void Mask(Span<byte> run, ReadOnlySpan<Vector128<byte>> tweaks)
    {
        Span<Vector128<byte>> blocks = MemoryMarshal.Cast<byte, Vector128<byte>>(run);
        tweaks = tweaks[..blocks.Length];
        for (int i = 0; i < blocks.Length; i++) blocks[i] ^= tweaks[i];
    }
}
