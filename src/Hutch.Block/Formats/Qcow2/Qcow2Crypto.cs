using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Crypto;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>Finds the key of an encrypted image.</summary>
internal static class Qcow2Crypto
{
    /// <summary>The cipher of an image's data. Throws <see cref="ImageException"/> where there is no key, or not the right one.</summary>
    internal static ValueTask<ISectorCipher> OpenAsync(BlockNode file, Qcow2Header header, ImageOpenOptions options, CancellationToken cancellation)
    {
        string format = header.Encryption == Qcow2Encryption.Aes ? "aes" : "luks";
        if (options.Options.TryGetValue("encrypt.format", out string? wanted) && wanted != format)
            throw new ImageException($"Header reported '{format}' encryption format but options specify '{wanted}'");
        byte[] secret = FindSecret(options.Options, options.Secrets);
        if (header.Encryption == Qcow2Encryption.Aes) return new(new LegacyAesCipher(secret));
        throw new ImageException("LUKS encryption is not supported yet");
    }

    /// <summary>The secret that options name.</summary>
    internal static byte[] FindSecret(IReadOnlyDictionary<string, string> options, ISecrets? secrets)
    {
        if (!options.TryGetValue("encrypt.key-secret", out string? id)) throw new ImageException("Parameter 'encrypt.key-secret' is required for cipher");
        return secrets?.Find(id) ?? throw new ImageException($"No secret with id '{id}'");
    }
}
