using System;
using System.Security.Cryptography;

namespace Hutch.Block.Formats.Luks;

/// <summary>The hash functions of volumes, by their names in the header.</summary>
internal static class LuksHash
{
    /// <summary>The function of this name. Throws <see cref="ImageException"/> for one that is not known.</summary>
    internal static HashAlgorithmName Find(string name) => name switch
    {
        "sha1" => HashAlgorithmName.SHA1,
        "sha256" => HashAlgorithmName.SHA256,
        "sha384" => HashAlgorithmName.SHA384,
        "sha512" => HashAlgorithmName.SHA512,
        "md5" or "sha224" or "ripemd160" => throw new ImageException($"Hash algorithm '{name}' is not supported", "The hash algorithms are sha1, sha256, sha384 and sha512."),
        _ => throw new ImageException($"Hash algorithm '{name}' is not recognized"),
    };

    /// <summary>Length of its digests in bytes.</summary>
    internal static int DigestBytes(HashAlgorithmName hash) => hash.Name switch
    {
        "SHA1" => SHA1.HashSizeInBytes,
        "SHA256" => SHA256.HashSizeInBytes,
        "SHA384" => SHA384.HashSizeInBytes,
        _ => SHA512.HashSizeInBytes,
    };

    /// <summary>The digest of <paramref name="data"/>, into the first bytes of <paramref name="destination"/>.</summary>
    internal static void Compute(HashAlgorithmName hash, ReadOnlySpan<byte> data, Span<byte> destination) => _ = CryptographicOperations.HashData(hash, data, destination);

    /// <summary>PBKDF2 (RFC 8018 §5.2).</summary>
    internal static void DeriveKey(HashAlgorithmName hash, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> salt, int iterations, Span<byte> key) =>
        Rfc2898DeriveBytes.Pbkdf2(passphrase, salt, key, iterations, hash);
}
