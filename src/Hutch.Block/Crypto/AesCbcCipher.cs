using System;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Hutch.Block.Crypto;

/// <summary>
/// AES in CBC mode (NIST SP 800-38A §6.2) over sectors of 512 bytes, each a chain of its own: old LUKS volumes and qcow2's legacy encryption.
/// A chain cannot be encrypted in parallel, several sectors can.
/// </summary>
internal sealed class AesCbcCipher : ISectorCipher
{
    private const int RunSectors = 8, SectorBlocks = Bytes / AesBlocks.BlockBytes;
    private const int Bytes = 512;

    private readonly AesBlocks _data;
    private readonly SectorIvs _ivs;

    /// <summary>Takes the key: 16, 24 or 32 bytes.</summary>
    internal AesCbcCipher(ReadOnlySpan<byte> key, SectorIvs ivs)
    {
        _data = AesBlocks.Create(key);
        _ivs = ivs;
    }

    /// <inheritdoc/>
    public int SectorBytes => Bytes;

    /// <inheritdoc/>
    public void Encrypt(long offsetBytes, Span<byte> data)
    {
        SectorAlignment.Check(offsetBytes, data.Length, Bytes);
        Span<Vector128<byte>> chains = stackalloc Vector128<byte>[RunSectors];
        for (long sector = offsetBytes / Bytes; data.Length != 0; sector += RunSectors)
        {
            int sectors = Math.Min(RunSectors, data.Length / Bytes);
            Span<Vector128<byte>> blocks = MemoryMarshal.Cast<byte, Vector128<byte>>(data[..(sectors * Bytes)]);
            _ivs.Fill(sector, chains[..sectors]);
            for (int block = 0; block < SectorBlocks; block++)
            {
                for (int i = 0; i < sectors; i++) chains[i] ^= blocks[(i * SectorBlocks) + block];
                _data.Encrypt(MemoryMarshal.AsBytes(chains[..sectors]));
                for (int i = 0; i < sectors; i++) blocks[(i * SectorBlocks) + block] = chains[i];
            }
            data = data[(sectors * Bytes)..];
        }
    }

    /// <inheritdoc/>
    public void Decrypt(long offsetBytes, Span<byte> data)
    {
        SectorAlignment.Check(offsetBytes, data.Length, Bytes);
        Span<Vector128<byte>> ivs = stackalloc Vector128<byte>[RunSectors];
        Span<Vector128<byte>> before = stackalloc Vector128<byte>[RunSectors * SectorBlocks];
        for (long sector = offsetBytes / Bytes; data.Length != 0; sector += RunSectors)
        {
            int sectors = Math.Min(RunSectors, data.Length / Bytes);
            Span<byte> run = data[..(sectors * Bytes)];
            Span<Vector128<byte>> blocks = MemoryMarshal.Cast<byte, Vector128<byte>>(run);
            _ivs.Fill(sector, ivs[..sectors]);
            for (int i = 0; i < blocks.Length; i++) before[i] = i % SectorBlocks == 0 ? ivs[i / SectorBlocks] : blocks[i - 1];
            _data.Decrypt(run);
            for (int i = 0; i < blocks.Length; i++) blocks[i] ^= before[i];
            data = data[run.Length..];
        }
    }
}
