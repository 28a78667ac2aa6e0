using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Crypto;
using Hutch.Block.Formats.Luks;
using Hutch.Block.Graph;
using Hutch.Host.Time;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>The encryption of an opened image.</summary>
/// <param name="Cipher">The data's cipher; null where no key was wanted.</param>
/// <param name="Volume">The LUKS header; null without LUKS.</param>
internal sealed record Qcow2Keys(ISectorCipher? Cipher, LuksVolume? Volume);

/// <summary>Finds the key of an encrypted image, and makes one.</summary>
internal static class Qcow2Crypto
{
    private const int LegacyKeyBytes = 16;

    /// <summary>Opens an image's encryption. Throws <see cref="ImageException"/> where there is no key, or not the right one.</summary>
    internal static async ValueTask<Qcow2Keys> OpenAsync(BlockNode file, Qcow2Header header, ImageOpenOptions options, CancellationToken cancellation)
    {
        string? wanted = options.Options.GetValueOrDefault("encrypt.format");
        if (header.Encryption == Qcow2Encryption.None)
        {
            if (wanted is not null) throw new ImageException($"No encryption in image header, but options specified format '{wanted}'");
            return new(null, null);
        }
        string format = header.Encryption == Qcow2Encryption.Aes ? "aes" : "luks";
        if (wanted is not null && wanted != format) throw new ImageException($"Header reported '{format}' encryption format but options specify '{wanted}'");
        bool needsKey = !options.NoData && !options.ForCheck;
        if (header.CryptoHeader is not { } place) return new(needsKey ? Legacy(FindSecret(options.Options, options.Secrets)) : null, null);
        byte[]? secret = needsKey ? FindSecret(options.Options, options.Secrets) : null;
        LuksVolume volume = await LuksVolume.OpenAsync(new LuksArea(file, place.Offset, place.LengthBytes), cancellation).ConfigureAwait(false);
        return new(secret is null ? null : await volume.UnlockAsync(secret, options.Secrets?.Made, cancellation).ConfigureAwait(false), volume);
    }

    /// <summary>The secret that options name.</summary>
    internal static byte[] FindSecret(IReadOnlyDictionary<string, string> options, ISecrets? secrets) => LuksCreateOptions.FindSecret(options, "encrypt.key-secret", secrets);

    /// <summary>Puts a new LUKS header into an image whose disk has its length already.</summary>
    internal static async ValueTask AddLuksAsync(Qcow2Metadata metadata, ImageCreateRequest request, ReadOnlyMemory<byte> secret, CancellationToken cancellation)
    {
        byte[] bytes = LuksCreation.Create(LuksCreateOptions.Parse(request.Options, "encrypt."), secret.Span, new MonotonicClock(), request.Secrets?.Made);
        long clusters = metadata.Geometry.ClustersFor(bytes.Length), offset = 0;
        await metadata.TakeAsync(() =>
        {
            if (!metadata.Allocator.TryAllocate(clusters, out Allocation taken)) return false;
            offset = taken.First << metadata.Geometry.ClusterBits;
            return true;
        }).ConfigureAwait(false);
        await metadata.GrowFileAsync(offset + (clusters << metadata.Geometry.ClusterBits)).ConfigureAwait(false);
        await metadata.File.WriteBytesAsync(offset, bytes, WriteFlags.None, cancellation).ConfigureAwait(false);
        await metadata.CommitAsync(withRefcounts: true, cancellation).ConfigureAwait(false);
        await metadata.UpdateHeaderAsync(header => header with { Encryption = Qcow2Encryption.Luks, CryptoHeader = new(offset, bytes.Length) }, cancellation).ConfigureAwait(false);
    }

    // qcow2's first encryption (crypt_method 1): AES-128 CBC by the guest's sector, with the passphrase itself as the key. Weak; for images that exist.
    private static AesCbcCipher Legacy(ReadOnlySpan<byte> passphrase)
    {
        byte[] key = new byte[LegacyKeyBytes];
        passphrase[..Math.Min(passphrase.Length, LegacyKeyBytes)].CopyTo(key);
        return new AesCbcCipher(key, new SectorIvs(SectorIvKind.Plain64));
    }
}
