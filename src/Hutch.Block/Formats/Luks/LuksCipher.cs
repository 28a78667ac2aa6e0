using System;
using System.Security.Cryptography;
using Hutch.Block.Crypto;

namespace Hutch.Block.Formats.Luks;

/// <summary>How a volume is encrypted, by the names of QEMU's options.</summary>
/// <param name="Algorithm">Cipher with its key's length: aes-128, aes-192, aes-256; others can be named but not used.</param>
/// <param name="Mode">xts or cbc; others can be named but not used.</param>
/// <param name="IvGenerator">plain, plain64 or essiv.</param>
/// <param name="IvHash">Hash of an essiv generator; null with the others.</param>
internal sealed record LuksCipher(string Algorithm, string Mode, string IvGenerator, string? IvHash)
{
    /// <summary>Length in bytes of the key of a volume: twice the cipher's with xts.</summary>
    internal int KeyBytes => CipherKeyBytes * (Mode == "xts" ? 2 : 1);

    /// <summary>The cipher's name in the header.</summary>
    internal string HeaderName => Algorithm[..Algorithm.IndexOf('-')];

    /// <summary>Mode and initialisation vectors as the header has them: xts-plain64, cbc-essiv:sha256.</summary>
    internal string HeaderMode => IvHash is null ? $"{Mode}-{IvGenerator}" : $"{Mode}-{IvGenerator}:{IvHash}";

    private int CipherKeyBytes => int.Parse(Algorithm.AsSpan(Algorithm.IndexOf('-') + 1), System.Globalization.CultureInfo.InvariantCulture) / 8;

    /// <summary>Reads what a header says. Throws <see cref="ImageException"/> for what no cipher is.</summary>
    internal static LuksCipher Parse(string name, string mode, uint keyBytes)
    {
        int dash = mode.IndexOf('-', StringComparison.Ordinal);
        if (dash < 0) throw new ImageException($"Unexpected cipher mode string format '{mode}'");
        string ivs = mode[(dash + 1)..];
        mode = mode[..dash];
        int colon = ivs.IndexOf(':', StringComparison.Ordinal);
        string? ivHash = colon < 0 ? null : ivs[(colon + 1)..];
        if (colon >= 0) ivs = ivs[..colon];
        if (ivHash is not null) _ = LuksHash.Find(ivHash);
        CheckMode(mode);
        CheckIvGenerator(ivs);
        if (ivs == "essiv" && ivHash is null) throw new ImageException("Missing IV generator hash specification");
        return new LuksCipher(FindAlgorithm(name, mode == "xts", keyBytes), mode, ivs, ivs == "essiv" ? ivHash : null);
    }

    /// <summary>Throws where the mode is unknown.</summary>
    internal static void CheckMode(string mode)
    {
        if (mode is not ("ecb" or "cbc" or "xts" or "ctr")) throw new ImageException($"Cipher mode '{mode}' is not recognized");
    }

    /// <summary>Throws where the generator is unknown.</summary>
    internal static void CheckIvGenerator(string name)
    {
        if (name is not ("plain" or "plain64" or "essiv")) throw new ImageException($"IV generator '{name}' is not recognized");
    }

    /// <summary>Whether an algorithm of this name exists, though it may not be supported.</summary>
    internal static bool IsAlgorithm(string name) => name is "aes-128" or "aes-192" or "aes-256" or "des" or "3des" or "cast5-128"
        or "serpent-128" or "serpent-192" or "serpent-256" or "twofish-128" or "twofish-192" or "twofish-256";

    /// <summary>Throws, naming it, for a combination that cannot be used.</summary>
    internal void CheckSupported()
    {
        if (!Algorithm.StartsWith("aes-", StringComparison.Ordinal) || Mode is not ("xts" or "cbc"))
            throw new ImageException($"Unsupported cipher algorithm {Algorithm} with {Mode} mode", "The ciphers are aes-128, aes-192 and aes-256, the modes xts and cbc.");
        if (IvHash is not null && LuksHash.DigestBytes(LuksHash.Find(IvHash)) is int length and not (16 or 24 or 32))
            throw new ImageException($"No AES cipher with key size {length} available");
    }

    /// <summary>Makes the cipher with the volume's key, of <see cref="KeyBytes"/>; for key slots too, whose sectors are counted from 0.</summary>
    internal ISectorCipher Create(ReadOnlySpan<byte> key)
    {
        CheckSupported();
        SectorIvs ivs = IvHash is null ? new SectorIvs(IvGenerator == "plain" ? SectorIvKind.Plain : SectorIvKind.Plain64) : MakeEssiv(IvHash, key);
        return Mode == "xts" ? new AesXtsCipher(key, ivs) : new AesCbcCipher(key, ivs);
    }

    private static SectorIvs MakeEssiv(string hashName, ReadOnlySpan<byte> key)
    {
        HashAlgorithmName hash = LuksHash.Find(hashName);
        Span<byte> digest = stackalloc byte[LuksHash.DigestBytes(hash)];
        LuksHash.Compute(hash, key, digest);
        SectorIvs ivs = new(digest);
        CryptographicOperations.ZeroMemory(digest);
        return ivs;
    }

    private static string FindAlgorithm(string name, bool isXts, uint keyBytes)
    {
        if (name is not ("aes" or "serpent" or "twofish" or "cast5")) throw new ImageException($"Algorithm '{name}' with key size {keyBytes} bytes not supported");
        if (isXts && keyBytes % 2 != 0) throw new ImageException("XTS cipher key length should be a multiple of 2");
        uint bits = isXts ? keyBytes / 2 : keyBytes;
        string found = bits > 32 ? "" : $"{name}-{bits * 8}";
        return IsAlgorithm(found) ? found : throw new ImageException($"Algorithm '{name}' with key size {bits} bytes not supported");
    }
}
