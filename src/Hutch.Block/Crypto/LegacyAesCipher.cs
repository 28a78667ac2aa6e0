using System;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Hutch.Block.Crypto;

/// <summary>
/// qcow2's first encryption (crypt_method 1): AES-128 CBC for each sector of 512 bytes, with the number of the guest's sector as the IV and the passphrase
/// itself as the key. Weak; for images that exist.
/// </summary>
internal sealed class LegacyAesCipher : ISectorCipher
{
    private const int KeyBytes = 16;

    private readonly byte[] _key = new byte[KeyBytes];
    private readonly ConcurrentBag<Aes> _idle = [];

    /// <summary>Makes the cipher: the key is the passphrase, cut or filled with zeros.</summary>
    internal LegacyAesCipher(ReadOnlySpan<byte> passphrase) => passphrase[..Math.Min(passphrase.Length, KeyBytes)].CopyTo(_key);

    /// <inheritdoc/>
    public int SectorBytes => 512;

    /// <inheritdoc/>
    public void Encrypt(long offsetBytes, Span<byte> data) => Run(offsetBytes, data, encrypt: true);

    /// <inheritdoc/>
    public void Decrypt(long offsetBytes, Span<byte> data) => Run(offsetBytes, data, encrypt: false);

    private void Run(long offsetBytes, Span<byte> data, bool encrypt)
    {
        if (!_idle.TryTake(out Aes? aes))
        {
            aes = Aes.Create();
            aes.Key = _key;
        }
        Span<byte> iv = stackalloc byte[16], copy = stackalloc byte[SectorBytes];
        iv.Clear();
        for (long sector = offsetBytes / SectorBytes; data.Length != 0; sector++, data = data[SectorBytes..])
        {
            BinaryPrimitives.WriteInt64LittleEndian(iv, sector);
            data[..SectorBytes].CopyTo(copy);
            _ = encrypt ? aes.EncryptCbc(copy, iv, data[..SectorBytes], PaddingMode.None) : aes.DecryptCbc(copy, iv, data[..SectorBytes], PaddingMode.None);
        }
        _idle.Add(aes);
    }
}
