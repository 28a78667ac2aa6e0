using System;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Crypto;

/// <summary>Moves data through a cipher, between a request's memory and a buffer of ours; a long run on several cores at once.</summary>
internal static class SectorRun
{
    /// <summary>So long is worth other threads: below this, waking them costs more than they take off.</summary>
    internal const int LongBytes = 128 * 1024;

    private const int PartBytes = 64 * 1024;

    /// <summary>Copies <paramref name="source"/> into <paramref name="destination"/> and encrypts it there.</summary>
    internal static void Encrypt(ISectorCipher cipher, long offset, IoVector source, NativeBuffer destination)
    {
        Span<byte> data = destination.Span[..(int)source.LengthBytes];
        if (IsLong(data.Length))
        {
            EncryptParts(cipher, offset, source, destination);
            return;
        }
        source.CopyTo(data);
        cipher.Encrypt(offset, data);
    }

    /// <summary>Decrypts what is in <paramref name="source"/> and copies it into <paramref name="destination"/>.</summary>
    internal static void Decrypt(ISectorCipher cipher, long offset, NativeBuffer source, IoVector destination)
    {
        Span<byte> data = source.Span[..(int)destination.LengthBytes];
        if (IsLong(data.Length))
        {
            DecryptParts(cipher, offset, source, destination);
            return;
        }
        cipher.Decrypt(offset, data);
        destination.CopyFrom(data);
    }

    private static bool IsLong(int lengthBytes) => lengthBytes >= LongBytes && Environment.ProcessorCount > 1;

    private static void EncryptParts(ISectorCipher cipher, long offset, IoVector source, NativeBuffer destination)
    {
        int length = (int)source.LengthBytes;
        _ = Parallel.For(0, (length + PartBytes - 1) / PartBytes, index =>
        {
            int start = index * PartBytes;
            Span<byte> part = destination.Span.Slice(start, Math.Min(PartBytes, length - start));
            source.Slice(start, part.Length).CopyTo(part);
            cipher.Encrypt(offset + start, part);
        });
    }

    private static void DecryptParts(ISectorCipher cipher, long offset, NativeBuffer source, IoVector destination)
    {
        int length = (int)destination.LengthBytes;
        _ = Parallel.For(0, (length + PartBytes - 1) / PartBytes, index =>
        {
            int start = index * PartBytes;
            Span<byte> part = source.Span.Slice(start, Math.Min(PartBytes, length - start));
            cipher.Decrypt(offset + start, part);
            destination.Slice(start, part.Length).CopyFrom(part);
        });
    }
}
