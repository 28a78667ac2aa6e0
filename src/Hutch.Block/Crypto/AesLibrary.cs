using System;
using System.Security.Cryptography;

namespace Hutch.Block.Crypto;

/// <summary>AES by the system's library, where the processor has no instructions for it. One call for a whole run of blocks.</summary>
internal sealed class AesLibrary : AesBlocks
{
    private readonly Aes _aes;

    internal AesLibrary(ReadOnlySpan<byte> key)
    {
        _aes = Aes.Create();
        // The key is never changed again, so that one-shot calls, which take a context of their own, may run at once.
        _aes.Key = key.ToArray();
    }

    /// <inheritdoc/>
    internal override void Encrypt(Span<byte> blocks) => _aes.EncryptEcb(blocks, blocks, PaddingMode.None);

    /// <inheritdoc/>
    internal override void Decrypt(Span<byte> blocks) => _aes.DecryptEcb(blocks, blocks, PaddingMode.None);
}
