using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using System.Threading;

namespace Hutch.Block.Formats.Luks;

/// <summary>
/// Keys of the volumes that were made with the same <see cref="ISecrets"/>: who makes a volume and then fills it need not derive its key again, which takes
/// seconds on purpose. Any thread.
/// </summary>
public sealed class VolumeKeys
{
    private readonly Lock _lock = new();
    private readonly List<Entry> _entries = [];

    private readonly record struct Entry(byte[] DigestSalt, byte[] Passphrase, byte[] Key);

    /// <summary>Takes a copy of a new volume's key.</summary>
    internal void Add(LuksHeader header, ReadOnlySpan<byte> passphrase, ReadOnlySpan<byte> key)
    {
        lock (_lock) _entries.Add(new Entry(header.KeyDigestSalt, passphrase.ToArray(), key.ToArray()));
    }

    /// <summary>A copy of the volume's key, which the caller wipes; null where the volume was not made here, or with another passphrase.</summary>
    internal byte[]? Find(LuksHeader header, ReadOnlySpan<byte> passphrase)
    {
        lock (_lock)
        {
            foreach (Entry entry in _entries)
                if (entry.DigestSalt.AsSpan().SequenceEqual(header.KeyDigestSalt) && CryptographicOperations.FixedTimeEquals(entry.Passphrase, passphrase)) return [.. entry.Key];
        }
        return null;
    }
}
