using System;
using System.Collections.Immutable;
using System.Security.Cryptography;
using Hutch.Host.Files;
using Hutch.Host.Time;

namespace Hutch.Block.Formats.Luks;

/// <summary>Makes new volumes.</summary>
internal static class LuksCreation
{
    // Where a passphrase is checked the whole derivation has been done already; this one need not take as long.
    private const int DigestShare = 8, LeastDigestIterations = 1000;

    /// <summary>Length in bytes of a new volume's header with all key material: where its payload begins.</summary>
    internal static int HeaderBytes(LuksCreateOptions options) =>
        LuksHeader.SlotSectors(options.Cipher.KeyBytes, LuksHeader.KeySlots) * LuksHeader.SectorBytes;

    /// <summary>
    /// Makes a volume with a new key, which <paramref name="passphrase"/> opens: the bytes of the header and its key material, <see cref="HeaderBytes"/>
    /// long. Takes as long as the options say. <paramref name="made"/> is told the key.
    /// </summary>
    internal static byte[] Create(LuksCreateOptions options, ReadOnlySpan<byte> passphrase, IClock clock, VolumeKeys? made = null)
    {
        HashAlgorithmName hash = LuksHash.Find(options.HashName);
        int iterations = LuksIterations.Choose(hash, options.Cipher.KeyBytes, options.IterationMilliseconds, clock);
        byte[] key = new byte[options.Cipher.KeyBytes];
        HostRandom.Fill(key);
        try
        {
            LuksHeader header = Begin(options, hash, key, Math.Max(LeastDigestIterations, iterations / DigestShare));
            byte[] bytes = new byte[HeaderBytes(options)];
            LuksKeySlot slot = header.Slots[0] with { IsActive = true, Iterations = (uint)iterations, Salt = RandomBytes(LuksHeader.SaltBytes) };
            header = header with { Slots = header.Slots.SetItem(0, slot) };
            LuksKeyMaterial.Seal(header, slot, key, passphrase).CopyTo(bytes, (long)slot.OffsetSectors * LuksHeader.SectorBytes);
            header.ToBytes().CopyTo(bytes, 0);
            made?.Add(header, passphrase, key);
            return bytes;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>Random bytes of the kernel.</summary>
    internal static byte[] RandomBytes(int count)
    {
        byte[] bytes = new byte[count];
        HostRandom.Fill(bytes);
        return bytes;
    }

    private static LuksHeader Begin(LuksCreateOptions options, HashAlgorithmName hash, ReadOnlySpan<byte> key, int digestIterations)
    {
        byte[] digest = new byte[LuksHeader.DigestBytes], salt = RandomBytes(LuksHeader.SaltBytes);
        LuksHash.DeriveKey(hash, key, salt, digestIterations, digest);
        ImmutableArray<LuksKeySlot>.Builder slots = ImmutableArray.CreateBuilder<LuksKeySlot>(LuksHeader.KeySlots);
        for (int i = 0; i < LuksHeader.KeySlots; i++)
        {
            slots.Add(new LuksKeySlot
            {
                Salt = new byte[LuksHeader.SaltBytes],
                OffsetSectors = (uint)LuksHeader.SlotSectors(options.Cipher.KeyBytes, i),
                Stripes = LuksHeader.Stripes,
            });
        }
        return new LuksHeader
        {
            Cipher = options.Cipher,
            HashName = options.HashName,
            PayloadOffset = HeaderBytes(options),
            KeyDigest = digest,
            KeyDigestSalt = salt,
            KeyDigestIterations = (uint)digestIterations,
            Uuid = Guid.NewGuid().ToString(),
            Slots = slots.MoveToImmutable(),
        };
    }
}
