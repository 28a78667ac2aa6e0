using System;
using System.Security.Cryptography;

namespace Hutch.Block.Formats.Luks;

/// <summary>What lies in a key slot's area: the volume's key, split over stripes and encrypted with a key of the passphrase (LUKS on-disk format 1.2.3 §3).</summary>
internal static class LuksKeyMaterial
{
    /// <summary>Makes the content of a slot's area: whole sectors.</summary>
    internal static byte[] Seal(LuksHeader header, LuksKeySlot slot, ReadOnlySpan<byte> key, ReadOnlySpan<byte> passphrase)
    {
        byte[] material = new byte[Sectors(header.MaterialBytes) * LuksHeader.SectorBytes];
        AntiForensicSplit.Split(header.Hash, key, material.AsSpan(0, header.MaterialBytes));
        Span<byte> slotKey = stackalloc byte[key.Length];
        LuksHash.DeriveKey(header.Hash, passphrase, slot.Salt, (int)slot.Iterations, slotKey);
        header.Cipher.Create(slotKey).Encrypt(0, material);
        CryptographicOperations.ZeroMemory(slotKey);
        return material;
    }

    /// <summary>The volume's key of a slot's area, which is changed; null where the passphrase is not that slot's.</summary>
    internal static byte[]? Unseal(LuksHeader header, LuksKeySlot slot, Span<byte> material, ReadOnlySpan<byte> passphrase)
    {
        Span<byte> slotKey = stackalloc byte[header.Cipher.KeyBytes], digest = stackalloc byte[LuksHeader.DigestBytes];
        LuksHash.DeriveKey(header.Hash, passphrase, slot.Salt, (int)slot.Iterations, slotKey);
        header.Cipher.Create(slotKey).Decrypt(0, material);
        byte[] key = new byte[slotKey.Length];
        AntiForensicSplit.Merge(header.Hash, material[..header.MaterialBytes], key);
        LuksHash.DeriveKey(header.Hash, key, header.KeyDigestSalt, (int)header.KeyDigestIterations, digest);
        CryptographicOperations.ZeroMemory(slotKey);
        CryptographicOperations.ZeroMemory(material);
        if (CryptographicOperations.FixedTimeEquals(digest, header.KeyDigest)) return key;
        CryptographicOperations.ZeroMemory(key);
        return null;
    }

    /// <summary>Sectors that hold <paramref name="lengthBytes"/>.</summary>
    internal static int Sectors(int lengthBytes) => (lengthBytes + LuksHeader.SectorBytes - 1) / LuksHeader.SectorBytes;
}
