using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Crypto;

namespace Hutch.Block.Formats.Luks;

/// <summary>An existing volume's header: opens it with a passphrase, sets and erases key slots. One user at a time.</summary>
internal sealed class LuksVolume
{
    private readonly LuksArea _area;

    private LuksVolume(LuksArea area, LuksHeader header)
    {
        _area = area;
        Header = header;
    }

    /// <summary>The header as it is on disk.</summary>
    internal LuksHeader Header { get; private set; }

    /// <summary>Reads the header. Throws <see cref="ImageException"/> where it is none, or damaged.</summary>
    internal static async ValueTask<LuksVolume> OpenAsync(LuksArea area, CancellationToken cancellation)
    {
        byte[] bytes = new byte[LuksHeader.Bytes];
        if (area.LengthBytes < bytes.Length) throw new ImageException("Volume is not in LUKS format");
        await area.ReadAsync(0, bytes, cancellation).ConfigureAwait(false);
        return new LuksVolume(area, LuksHeader.Parse(bytes));
    }

    /// <summary>The payload's cipher. Throws <see cref="ImageException"/> where no slot opens with the passphrase, or the cipher is not supported.</summary>
    internal async ValueTask<ISectorCipher> UnlockAsync(ReadOnlyMemory<byte> passphrase, VolumeKeys? made, CancellationToken cancellation)
    {
        byte[] key = made?.Find(Header, passphrase.Span) ?? await FindKeyAsync(passphrase, cancellation).ConfigureAwait(false) ?? throw new ImageException("Invalid password, cannot unlock any keyslot");
        ISectorCipher cipher = Header.Cipher.Create(key);
        CryptographicOperations.ZeroMemory(key);
        return cipher;
    }

    /// <summary>The volume's key by a passphrase; null where no slot opens with it. The caller wipes it.</summary>
    internal async ValueTask<byte[]?> FindKeyAsync(ReadOnlyMemory<byte> passphrase, CancellationToken cancellation)
    {
        for (int i = 0; i < LuksHeader.KeySlots; i++)
            if (await TryOpenSlotAsync(i, passphrase, cancellation).ConfigureAwait(false) is byte[] key) return key;
        return null;
    }

    /// <summary>The volume's key by one slot; null where it is inactive or another passphrase's.</summary>
    internal async ValueTask<byte[]?> TryOpenSlotAsync(int index, ReadOnlyMemory<byte> passphrase, CancellationToken cancellation)
    {
        Header.Cipher.CheckSupported();
        LuksKeySlot slot = Header.Slots[index];
        if (!slot.IsActive) return null;
        uint iterations = Math.Max(slot.Iterations, Header.KeyDigestIterations);
        if (iterations > LuksIterations.MaxAccepted) throw new ImageException($"PBKDF iterations {iterations} must be less than {LuksIterations.MaxAccepted}");
        byte[] material = new byte[LuksKeyMaterial.Sectors(Header.MaterialBytes) * LuksHeader.SectorBytes];
        await _area.ReadAsync((long)slot.OffsetSectors * LuksHeader.SectorBytes, material, cancellation).ConfigureAwait(false);
        cancellation.ThrowIfCancellationRequested();
        return LuksKeyMaterial.Unseal(Header, slot, material, passphrase.Span);
    }

    /// <summary>Makes a slot open with <paramref name="passphrase"/>. The key material is durable before the header calls the slot active.</summary>
    internal async ValueTask SetSlotAsync(int index, ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> passphrase, int iterations, CancellationToken cancellation)
    {
        LuksKeySlot slot = Header.Slots[index] with
        {
            IsActive = true,
            Iterations = (uint)iterations,
            Salt = LuksCreation.RandomBytes(LuksHeader.SaltBytes),
        };
        byte[] material = LuksKeyMaterial.Seal(Header, slot, key.Span, passphrase.Span);
        await _area.WriteAsync((long)slot.OffsetSectors * LuksHeader.SectorBytes, material, cancellation).ConfigureAwait(false);
        await _area.FlushAsync(cancellation).ConfigureAwait(false);
        await StoreSlotAsync(index, slot, cancellation).ConfigureAwait(false);
    }

    /// <summary>Erases a slot for good: first from the header, then its key material with random bytes.</summary>
    internal async ValueTask EraseSlotAsync(int index, CancellationToken cancellation)
    {
        LuksKeySlot slot = Header.Slots[index] with { IsActive = false, Iterations = 0, Salt = new byte[LuksHeader.SaltBytes] };
        await StoreSlotAsync(index, slot, cancellation).ConfigureAwait(false);
        byte[] noise = LuksCreation.RandomBytes(LuksKeyMaterial.Sectors(Header.MaterialBytes) * LuksHeader.SectorBytes);
        await _area.WriteAsync((long)slot.OffsetSectors * LuksHeader.SectorBytes, noise, cancellation).ConfigureAwait(false);
        await _area.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>What 'info' shows, in QEMU's order; <paramref name="withFormat"/> adds the format's name, as within qcow2.</summary>
    internal IReadOnlyList<KeyValuePair<string, object>> Describe(bool withFormat)
    {
        List<KeyValuePair<string, object>> all =
        [
            new("ivgen-alg", Header.Cipher.IvGenerator),
            new("hash-alg", Header.HashName),
            new("cipher-alg", Header.Cipher.Algorithm),
            new("uuid", Header.Uuid),
        ];
        if (withFormat) all.Add(new("format", "luks"));
        all.Add(new("cipher-mode", Header.Cipher.Mode));
        if (Header.Cipher.IvHash is string ivHash) all.Add(new("ivgen-hash-alg", ivHash));
        List<object> slots = [];
        foreach (LuksKeySlot slot in Header.Slots) slots.Add(DescribeSlot(slot));
        all.Add(new("slots", slots));
        all.Add(new("payload-offset", Header.PayloadOffset));
        all.Add(new("master-key-iters", (long)Header.KeyDigestIterations));
        return all;
    }

    private static IReadOnlyList<KeyValuePair<string, object>> DescribeSlot(LuksKeySlot slot)
    {
        long offset = (long)slot.OffsetSectors * LuksHeader.SectorBytes;
        return slot.IsActive
            ? [new("active", true), new("iters", (long)slot.Iterations), new("key-offset", offset), new("stripes", (long)slot.Stripes)]
            : [new("active", false), new("key-offset", offset)];
    }

    private async ValueTask StoreSlotAsync(int index, LuksKeySlot slot, CancellationToken cancellation)
    {
        LuksHeader header = Header with { Slots = Header.Slots.SetItem(index, slot) };
        await _area.WriteAsync(0, header.ToBytes(), cancellation).ConfigureAwait(false);
        await _area.FlushAsync(cancellation).ConfigureAwait(false);
        Header = header;
    }
}
