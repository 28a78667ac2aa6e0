using System;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Luks;

/// <summary>
/// Spreads a key over many stripes, so that it is lost with any one of them (LUKS on-disk format 1.2.3 §2.4): random stripes, each mixed into an
/// accumulator that a hash diffuses; the last makes the accumulator come out as the key.
/// </summary>
internal static class AntiForensicSplit
{
    /// <summary>Splits <paramref name="key"/> into <paramref name="material"/>, which is as long as all stripes.</summary>
    internal static void Split(HashAlgorithmName hash, ReadOnlySpan<byte> key, Span<byte> material)
    {
        HostRandom.Fill(material[..^key.Length]);
        Span<byte> accumulator = material[^key.Length..];
        Accumulate(hash, material[..^key.Length], accumulator);
        for (int i = 0; i < key.Length; i++) accumulator[i] ^= key[i];
    }

    /// <summary>Restores the key. What comes of wrong material is a wrong key, no error.</summary>
    internal static void Merge(HashAlgorithmName hash, ReadOnlySpan<byte> material, Span<byte> key)
    {
        Accumulate(hash, material[..^key.Length], key);
        ReadOnlySpan<byte> last = material[^key.Length..];
        for (int i = 0; i < key.Length; i++) key[i] ^= last[i];
    }

    private static void Accumulate(HashAlgorithmName hash, ReadOnlySpan<byte> stripes, Span<byte> accumulator)
    {
        accumulator.Clear();
        for (; stripes.Length != 0; stripes = stripes[accumulator.Length..])
        {
            for (int i = 0; i < accumulator.Length; i++) accumulator[i] ^= stripes[i];
            Diffuse(hash, accumulator);
        }
    }

    // Each part of a digest's length becomes the digest of its number and itself; what does not fill the last part is cut off.
    private static void Diffuse(HashAlgorithmName hash, Span<byte> block)
    {
        int digestBytes = LuksHash.DigestBytes(hash);
        Span<byte> input = stackalloc byte[sizeof(uint) + SHA512.HashSizeInBytes], digest = stackalloc byte[SHA512.HashSizeInBytes];
        for (uint number = 0; block.Length != 0; number++)
        {
            Span<byte> part = block[..Math.Min(digestBytes, block.Length)];
            BinaryPrimitives.WriteUInt32BigEndian(input, number);
            part.CopyTo(input[sizeof(uint)..]);
            LuksHash.Compute(hash, input[..(sizeof(uint) + part.Length)], digest);
            digest[..part.Length].CopyTo(part);
            block = block[part.Length..];
        }
    }
}
