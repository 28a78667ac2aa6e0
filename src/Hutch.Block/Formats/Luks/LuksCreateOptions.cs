using System;
using System.Collections.Generic;
using System.Globalization;

namespace Hutch.Block.Formats.Luks;

/// <summary>What a new volume is to be like.</summary>
/// <param name="Cipher">How it is encrypted.</param>
/// <param name="HashName">Hash of its key derivations.</param>
/// <param name="IterationMilliseconds">How long opening it with the passphrase is to take.</param>
internal sealed record LuksCreateOptions(LuksCipher Cipher, string HashName, long IterationMilliseconds)
{
    /// <summary>
    /// Reads the options <c>cipher-alg</c>, <c>cipher-mode</c>, <c>ivgen-alg</c>, <c>ivgen-hash-alg</c>, <c>hash-alg</c> and <c>iter-time</c>, each with
    /// <paramref name="prefix"/> ("" or "encrypt."). Throws <see cref="ImageException"/> for a bad value or what cannot be used.
    /// </summary>
    internal static LuksCreateOptions Parse(IReadOnlyDictionary<string, string> options, string prefix)
    {
        string algorithm = Choose("cipher-alg", "aes-256", LuksCipher.IsAlgorithm);
        string mode = Choose("cipher-mode", "xts", static v => v is "ecb" or "cbc" or "xts" or "ctr");
        string generator = Choose("ivgen-alg", "plain64", static v => v is "plain" or "plain64" or "essiv");
        string ivHash = Choose("ivgen-hash-alg", "sha256", IsHash);
        string hash = Choose("hash-alg", "sha256", IsHash);
        LuksCipher cipher = new(algorithm, mode, generator, generator == "essiv" ? ivHash : null);
        cipher.CheckSupported();
        _ = LuksHash.Find(hash);
        return new LuksCreateOptions(cipher, hash, ParseIterationTime(options, prefix));

        string Choose(string name, string ifAbsent, Func<string, bool> isKnown)
        {
            string value = options.GetValueOrDefault(prefix + name, ifAbsent);
            return isKnown(value) ? value : throw new ImageException($"Parameter '{prefix}{name}' does not accept value '{value}'");
        }
    }

    /// <summary>The option <c>iter-time</c> in milliseconds.</summary>
    internal static long ParseIterationTime(IReadOnlyDictionary<string, string> options, string prefix)
    {
        if (!options.TryGetValue(prefix + "iter-time", out string? text)) return LuksIterations.DefaultMilliseconds;
        if (!ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong milliseconds))
            throw new ImageException($"Parameter '{prefix}iter-time' expects a number");
        if (milliseconds == 0) throw new ImageException("PBKDF iteration time must be greater than zero");
        return milliseconds <= uint.MaxValue ? (long)milliseconds : throw new ImageException($"PBKDF iterations {milliseconds} must be less than {uint.MaxValue}");
    }

    /// <summary>The passphrase that the option <paramref name="name"/> names. Throws <see cref="ImageException"/> where there is none.</summary>
    internal static byte[] FindSecret(IReadOnlyDictionary<string, string> options, string name, ISecrets? secrets)
    {
        if (!options.TryGetValue(name, out string? id)) throw new ImageException($"Parameter '{name}' is required for cipher");
        return secrets?.Find(id) ?? throw new ImageException($"No secret with id '{id}'");
    }

    private static bool IsHash(string name) => name is "md5" or "sha1" or "sha224" or "sha256" or "sha384" or "sha512" or "ripemd160";
}
