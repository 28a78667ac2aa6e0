using System;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Hutch.Block.Formats.Luks;

/// <summary>The header of a LUKS1 volume (LUKS on-disk format 1.2.3 §2.2): big-endian, 592 bytes, key material behind it, then the payload.</summary>
internal sealed record LuksHeader
{
    /// <summary>Length in bytes.</summary>
    internal const int Bytes = 592;

    /// <summary>Number of key slots.</summary>
    internal const int KeySlots = 8;

    /// <summary>Stripes of each slot, always.</summary>
    internal const int Stripes = 4000;

    /// <summary>Unit of offsets.</summary>
    internal const int SectorBytes = 512;

    /// <summary>Length of the key's digest in bytes.</summary>
    internal const int DigestBytes = 20;

    /// <summary>Length of salts in bytes.</summary>
    internal const int SaltBytes = 32;

    private const int NameBytes = 32, UuidBytes = 40, SlotBytes = 48, SlotsOffset = 208;
    private const int SlotAlignSectors = 4096 / SectorBytes;
    private const uint SlotEnabled = 0x00AC71F3, SlotDisabled = 0x0000DEAD;

    /// <summary>Magic number.</summary>
    internal static ReadOnlySpan<byte> Magic => [(byte)'L', (byte)'U', (byte)'K', (byte)'S', 0xba, 0xbe];

    /// <summary>How the payload and the key material are encrypted.</summary>
    internal required LuksCipher Cipher { get; init; }

    /// <summary>Hash of the key derivations and of the split, by its name.</summary>
    internal required string HashName { get; init; }

    /// <summary>Start of the payload in bytes.</summary>
    internal required long PayloadOffset { get; init; }

    /// <summary>Digest of the volume's key.</summary>
    internal required byte[] KeyDigest { get; init; }

    /// <summary>Salt of that digest.</summary>
    internal required byte[] KeyDigestSalt { get; init; }

    /// <summary>Iterations of that digest.</summary>
    internal required uint KeyDigestIterations { get; init; }

    /// <summary>UUID in text.</summary>
    internal required string Uuid { get; init; }

    /// <summary>All slots.</summary>
    internal required ImmutableArray<LuksKeySlot> Slots { get; init; }

    /// <summary>The hash function.</summary>
    internal HashAlgorithmName Hash => LuksHash.Find(HashName);

    /// <summary>Length in bytes of a slot's key material, without what aligns it.</summary>
    internal int MaterialBytes => Cipher.KeyBytes * Stripes;

    /// <summary>Sectors that each slot's key material takes, with what aligns it.</summary>
    internal int MaterialSectors => MaterialSectorsOf(Cipher.KeyBytes);

    /// <summary>Where slot <paramref name="index"/> of a new volume lies, in sectors; with the number of slots, where the payload does.</summary>
    internal static int SlotSectors(int keyBytes, int index) => SlotAlignSectors + (MaterialSectorsOf(keyBytes) * index);

    /// <summary>Reads and checks a header. Throws <see cref="ImageException"/>.</summary>
    internal static LuksHeader Parse(ReadOnlySpan<byte> bytes)
    {
        if (!bytes.StartsWith(Magic)) throw new ImageException("Volume is not in LUKS format");
        int version = BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]);
        if (version != 1) throw new ImageException($"LUKS version {version} is not supported");
        string name = Text(bytes.Slice(8, NameBytes), "cipher name"), mode = Text(bytes.Slice(40, NameBytes), "cipher mode"), hash = Text(bytes.Slice(72, NameBytes), "hash spec");
        uint keyBytes = BinaryPrimitives.ReadUInt32BigEndian(bytes[108..]);
        ImmutableArray<LuksKeySlot>.Builder slots = ImmutableArray.CreateBuilder<LuksKeySlot>(KeySlots);
        for (int i = 0; i < KeySlots; i++) slots.Add(ParseSlot(bytes.Slice(SlotsOffset + (i * SlotBytes), SlotBytes)));
        LuksHeader header = new()
        {
            Cipher = LuksCipher.Parse(name, mode, keyBytes),
            HashName = hash,
            PayloadOffset = (long)BinaryPrimitives.ReadUInt32BigEndian(bytes[104..]) * SectorBytes,
            KeyDigest = bytes.Slice(112, DigestBytes).ToArray(),
            KeyDigestSalt = bytes.Slice(132, SaltBytes).ToArray(),
            KeyDigestIterations = BinaryPrimitives.ReadUInt32BigEndian(bytes[164..]),
            Uuid = Encoding.Latin1.GetString(UntilNul(bytes.Slice(168, UuidBytes))),
            Slots = slots.MoveToImmutable(),
        };
        _ = header.Hash;
        header.Check();
        return header;
    }

    /// <summary>Writes the header.</summary>
    internal byte[] ToBytes()
    {
        byte[] bytes = new byte[Bytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(6), 1);
        Encoding.Latin1.GetBytes(Cipher.HeaderName, bytes.AsSpan(8, NameBytes - 1));
        Encoding.Latin1.GetBytes(Cipher.HeaderMode, bytes.AsSpan(40, NameBytes - 1));
        Encoding.Latin1.GetBytes(HashName, bytes.AsSpan(72, NameBytes - 1));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(104), (uint)(PayloadOffset / SectorBytes));
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(108), (uint)Cipher.KeyBytes);
        KeyDigest.CopyTo(bytes, 112);
        KeyDigestSalt.CopyTo(bytes, 132);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(164), KeyDigestIterations);
        Encoding.Latin1.GetBytes(Uuid, bytes.AsSpan(168, UuidBytes));
        for (int i = 0; i < KeySlots; i++)
        {
            Span<byte> slot = bytes.AsSpan(SlotsOffset + (i * SlotBytes), SlotBytes);
            BinaryPrimitives.WriteUInt32BigEndian(slot, Slots[i].IsActive ? SlotEnabled : SlotDisabled);
            BinaryPrimitives.WriteUInt32BigEndian(slot[4..], Slots[i].Iterations);
            Slots[i].Salt.CopyTo(slot[8..]);
            BinaryPrimitives.WriteUInt32BigEndian(slot[40..], Slots[i].OffsetSectors);
            BinaryPrimitives.WriteUInt32BigEndian(slot[44..], Slots[i].Stripes);
        }
        return bytes;
    }

    private static int MaterialSectorsOf(int keyBytes)
    {
        int sectors = ((keyBytes * Stripes) + SectorBytes - 1) / SectorBytes;
        return (sectors + SlotAlignSectors - 1) / SlotAlignSectors * SlotAlignSectors;
    }

    private static LuksKeySlot ParseSlot(ReadOnlySpan<byte> bytes)
    {
        uint state = BinaryPrimitives.ReadUInt32BigEndian(bytes);
        return new LuksKeySlot
        {
            IsActive = state == SlotEnabled,
            HasBadState = state is not (SlotEnabled or SlotDisabled),
            Iterations = BinaryPrimitives.ReadUInt32BigEndian(bytes[4..]),
            Salt = bytes.Slice(8, SaltBytes).ToArray(),
            OffsetSectors = BinaryPrimitives.ReadUInt32BigEndian(bytes[40..]),
            Stripes = BinaryPrimitives.ReadUInt32BigEndian(bytes[44..]),
        };
    }

    // Nothing of the header may lie over anything else of it.
    private void Check()
    {
        const int headerSectors = (Bytes + SectorBytes - 1) / SectorBytes;
        if (PayloadOffset < headerSectors * SectorBytes) throw new ImageException("LUKS payload is overlapping with the header");
        if (KeyDigestIterations == 0) throw new ImageException("LUKS key iteration count is zero");
        long payload = PayloadOffset / SectorBytes;
        for (int i = 0; i < KeySlots; i++)
        {
            LuksKeySlot slot = Slots[i];
            if (slot.Stripes != Stripes) throw new ImageException($"Keyslot {i} is corrupted (stripes {slot.Stripes} != {Stripes})");
            if (slot.OffsetSectors < headerSectors) throw new ImageException($"Keyslot {i} is overlapping with the LUKS header");
            if (slot.HasBadState) throw new ImageException($"Keyslot {i} state (active/disable) is corrupted");
            if (slot.IsActive && slot.Iterations == 0) throw new ImageException($"Keyslot {i} iteration count is zero");
            if (slot.OffsetSectors + (long)MaterialSectors > payload) throw new ImageException($"Keyslot {i} is overlapping with the encrypted payload");
            for (int j = i + 1; j < KeySlots; j++)
            {
                if (Math.Abs((long)slot.OffsetSectors - Slots[j].OffsetSectors) < MaterialSectors)
                    throw new ImageException($"Keyslots {i} and {j} are overlapping in the header");
            }
        }
    }

    private static string Text(ReadOnlySpan<byte> field, string what)
    {
        if (!field.Contains((byte)0)) throw new ImageException($"LUKS header {what} is not NUL terminated");
        return Encoding.Latin1.GetString(UntilNul(field));
    }

    private static ReadOnlySpan<byte> UntilNul(ReadOnlySpan<byte> field)
    {
        int end = field.IndexOf((byte)0);
        return end < 0 ? field : field[..end];
    }
}
