using System;
using System.Runtime.CompilerServices;
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
    private const int Bytes = 512, Chains = 4;

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
            int done = 0;
            for (; done + Chains <= sectors; done += Chains) SpreadChains(ivs[done..], tweaks[(done * SectorBlocks)..]);
            for (; done < sectors; done++) Spread(ivs[done], tweaks.Slice(done * SectorBlocks, SectorBlocks));
            Mask(run, tweaks);
            if (encrypt) _data.Encrypt(run);
            else _data.Decrypt(run);
            Mask(run, tweaks);
            data = data[run.Length..];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Spread(Vector128<byte> first, Span<Vector128<byte>> tweaks)
    {
        Vector128<ulong> tweak = first.AsUInt64();
        for (int i = 0; i < tweaks.Length; i++)
        {
            tweaks[i] = tweak.AsByte();
            tweak = Next(tweak);
        }
    }

    // A tweak waits for the one before it; several sectors at once keep the processor busy meanwhile.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SpreadChains(ReadOnlySpan<Vector128<byte>> first, Span<Vector128<byte>> tweaks)
    {
        Vector128<ulong> a = first[0].AsUInt64(), b = first[1].AsUInt64(), c = first[2].AsUInt64(), d = first[3].AsUInt64();
        tweaks = tweaks[..(Chains * SectorBlocks)];
        for (int i = 0; i < SectorBlocks; i++)
        {
            tweaks[i] = a.AsByte();
            tweaks[i + SectorBlocks] = b.AsByte();
            tweaks[i + (2 * SectorBlocks)] = c.AsByte();
            tweaks[i + (3 * SectorBlocks)] = d.AsByte();
            a = Next(a);
            b = Next(b);
            c = Next(c);
            d = Next(d);
        }
    }

    // Each block's tweak is the one before times x in GF(2^128): a shift by one bit, and 0x87 for the bit that falls out (IEEE 1619 §5.2).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> Next(Vector128<ulong> tweak)
    {
        Vector128<int> carries = Vector128.Shuffle(tweak.AsInt32(), Vector128.Create(3, 0, 1, 0)) >> 31;
        return (tweak + tweak) ^ (carries & Vector128.Create(0x87, 0, 1, 0)).AsUInt64();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Mask(Span<byte> run, ReadOnlySpan<Vector128<byte>> tweaks)
    {
        Span<Vector128<byte>> blocks = MemoryMarshal.Cast<byte, Vector128<byte>>(run);
        tweaks = tweaks[..blocks.Length];
        for (int i = 0; i < blocks.Length; i++) blocks[i] ^= tweaks[i];
    }
}
