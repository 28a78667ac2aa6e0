using System;

namespace Hutch.Block.Crypto;

/// <summary>
/// AES with one key over runs of 16-byte blocks, each by itself (FIPS 197; ECB). What makes a mode of it lies in the classes above. Any thread.
/// </summary>
internal abstract class AesBlocks
{
    /// <summary>Length of a block in bytes.</summary>
    internal const int BlockBytes = 16;

    /// <summary>Takes a key of 16, 24 or 32 bytes; the bytes are copied.</summary>
    internal static AesBlocks Create(ReadOnlySpan<byte> key) => AesInstructions.IsSupported ? new AesInstructions(key) : new AesLibrary(key);

    /// <summary>Encrypts whole blocks in place.</summary>
    internal abstract void Encrypt(Span<byte> blocks);

    /// <summary>Decrypts whole blocks in place.</summary>
    internal abstract void Decrypt(Span<byte> blocks);
}
