using System;

namespace Hutch.Block.Crypto;

/// <summary>
/// Encrypts and decrypts whole sectors in place, each with the number of its place as the tweak. Any thread, several at once; no allocation.
/// </summary>
internal interface ISectorCipher
{
    /// <summary>Length of a sector in bytes: offsets and lengths are multiples of it.</summary>
    int SectorBytes { get; }

    /// <summary>Encrypts the sectors that lie at <paramref name="offsetBytes"/>.</summary>
    /// <param name="offsetBytes">Place of the first byte, not negative: of LUKS within the payload, of LUKS in qcow2 within the file, of qcow2's legacy AES on the disk.</param>
    /// <param name="data">Whole sectors; may be native memory.</param>
    void Encrypt(long offsetBytes, Span<byte> data);

    /// <summary>Undoes <see cref="Encrypt"/>.</summary>
    void Decrypt(long offsetBytes, Span<byte> data);
}
