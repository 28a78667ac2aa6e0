using System;
using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>A snapshot table as it was read.</summary>
/// <param name="Snapshots">Its entries.</param>
/// <param name="LengthBytes">Its length.</param>
internal sealed record Qcow2SnapshotTable(ImmutableArray<Qcow2Snapshot> Snapshots, long LengthBytes)
{
    private const string Mend = "You can force-remove this extra metadata with qemu-img check -r all";

    /// <summary>No snapshots.</summary>
    internal static Qcow2SnapshotTable Empty { get; } = new([], 0);

    /// <summary>Entries that were left out because the table is too long; only where a repair reads.</summary>
    internal int Overhanging { get; private init; }

    /// <summary>Entries whose extra data was cut; only where a repair reads.</summary>
    internal int ExtraDropped { get; private init; }

    /// <summary>
    /// Reads the table. Throws <see cref="ImageException"/> where it breaks a limit, unless <paramref name="repair"/> takes what was cut.
    /// </summary>
    internal static async ValueTask<Qcow2SnapshotTable> ReadAsync(BlockNode file, Qcow2Header header, Action<string>? repair, CancellationToken cancellation)
    {
        ImmutableArray<Qcow2Snapshot>.Builder snapshots = ImmutableArray.CreateBuilder<Qcow2Snapshot>();
        int overhanging = 0, dropped = 0;
        long count = Math.Min(header.SnapshotCount, Qcow2Limits.MaxSnapshots), at = header.SnapshotsOffset, end = at, cut = 0;
        byte[] fixedPart = new byte[Qcow2Limits.SnapshotHeaderBytes];
        for (int i = 0; i < count; i++)
        {
            await ReadAsync(file, at, fixedPart, cancellation).ConfigureAwait(false);
            long extra = Word(fixedPart, 36);
            int kept = (int)Math.Min(extra, Qcow2Limits.MaxSnapshotExtraBytes), id = Half(fixedPart, 12), name = Half(fixedPart, 14);
            if (extra > Qcow2Limits.MaxSnapshotExtraBytes)
            {
                if (repair is null) throw new ImageException(Text($"Too much extra metadata in snapshot table entry {i}"), Mend);
                repair(Text($"Discarding too much extra metadata in snapshot table entry {i} ({extra} > {Qcow2Limits.MaxSnapshotExtraBytes})"));
                dropped++;
                cut += extra - kept;
            }
            byte[] rest = new byte[kept + id + name];
            await ReadAsync(file, at + fixedPart.Length, rest.AsMemory(0, kept), cancellation).ConfigureAwait(false);
            await ReadAsync(file, at + fixedPart.Length + extra, rest.AsMemory(kept), cancellation).ConfigureAwait(false);
            long next = (at + fixedPart.Length + extra + id + name + 7) & ~7L;
            // What is cut leaves room for others.
            if (next - header.SnapshotsOffset - cut > Qcow2Limits.MaxSnapshotTableBytes || header.SnapshotsOffset > long.MaxValue - next + header.SnapshotsOffset)
            {
                overhanging = (int)(count - i);
                if (repair is null)
                {
                    throw new ImageException("Snapshot table is too big",
                        Text($"You can force-remove all {overhanging} overhanging snapshots with qemu-img check -r all"));
                }
                repair(Text($"Discarding {overhanging} overhanging snapshots (snapshot table is too big)"));
                break;
            }
            snapshots.Add(Parse(header, fixedPart, rest, kept, id));
            end = at = next;
        }
        return new(snapshots.ToImmutable(), end - header.SnapshotsOffset) { Overhanging = overhanging, ExtraDropped = dropped };
    }

    /// <summary>The bytes of a table. Throws <see cref="BlockIoException"/> (EFBIG) where it would be too long.</summary>
    internal static byte[] Write(ImmutableArray<Qcow2Snapshot> snapshots)
    {
        long length = 0;
        foreach (Qcow2Snapshot snapshot in snapshots)
        {
            length = (length + Qcow2Limits.SnapshotHeaderBytes + ExtraOf(snapshot) + Encoding.UTF8.GetByteCount(snapshot.Info.Id)
                + Encoding.UTF8.GetByteCount(snapshot.Info.Name) + 7) & ~7L;
        }
        if (length > Qcow2Limits.MaxSnapshotTableBytes || snapshots.Length > Qcow2Limits.MaxSnapshots) throw TooMany();
        byte[] table = new byte[length];
        int at = 0;
        foreach (Qcow2Snapshot snapshot in snapshots) at += Write(snapshot, table.AsSpan(at));
        return table;
    }

    /// <summary>The failure of a further snapshot.</summary>
    internal static BlockIoException TooMany() => new("The image has as many snapshots as it can have.", BlockIoException.Efbig);

    private static int ExtraOf(Qcow2Snapshot snapshot) => Qcow2Snapshot.KnownExtraBytes + snapshot.UnknownExtra.Length;

    private static int Write(Qcow2Snapshot snapshot, Span<byte> to)
    {
        byte[] id = Encoding.UTF8.GetBytes(snapshot.Info.Id), name = Encoding.UTF8.GetBytes(snapshot.Info.Name);
        int extra = ExtraOf(snapshot);
        BinaryPrimitives.WriteInt64BigEndian(to, snapshot.L1Offset);
        BinaryPrimitives.WriteInt32BigEndian(to[8..], snapshot.L1Entries);
        BinaryPrimitives.WriteUInt16BigEndian(to[12..], checked((ushort)id.Length));
        BinaryPrimitives.WriteUInt16BigEndian(to[14..], checked((ushort)name.Length));
        BinaryPrimitives.WriteUInt32BigEndian(to[16..], (uint)snapshot.Info.DateSeconds);
        BinaryPrimitives.WriteInt32BigEndian(to[20..], snapshot.Info.DateNanoseconds);
        BinaryPrimitives.WriteInt64BigEndian(to[24..], snapshot.Info.VmClockNanoseconds);
        BinaryPrimitives.WriteUInt32BigEndian(to[32..], snapshot.Info.VmStateBytes <= uint.MaxValue ? (uint)snapshot.Info.VmStateBytes : 0);
        BinaryPrimitives.WriteInt32BigEndian(to[36..], extra);
        Span<byte> known = to[Qcow2Limits.SnapshotHeaderBytes..];
        BinaryPrimitives.WriteInt64BigEndian(known, snapshot.Info.VmStateBytes);
        BinaryPrimitives.WriteInt64BigEndian(known[8..], snapshot.Info.DiskBytes);
        BinaryPrimitives.WriteInt64BigEndian(known[16..], snapshot.Info.Icount);
        snapshot.UnknownExtra.AsSpan().CopyTo(known[Qcow2Snapshot.KnownExtraBytes..]);
        id.CopyTo(known[extra..]);
        name.CopyTo(known[(extra + id.Length)..]);
        return (Qcow2Limits.SnapshotHeaderBytes + extra + id.Length + name.Length + 7) & ~7;
    }

    private static Qcow2Snapshot Parse(Qcow2Header header, byte[] fixedPart, byte[] rest, int extra, int idBytes)
    {
        long state = extra >= 8 ? Long(rest, 0) : Word(fixedPart, 32), disk = extra >= Qcow2Snapshot.RequiredExtraBytes ? Long(rest, 8) : header.LengthBytes;
        ImageSnapshot info = new(Name(rest.AsSpan(extra, idBytes)), Name(rest.AsSpan(extra + idBytes)), Math.Max(state, 0),
            Word(fixedPart, 16), (int)Math.Min(Word(fixedPart, 20), int.MaxValue), Long(fixedPart, 24), extra >= Qcow2Snapshot.KnownExtraBytes ? Long(rest, 16) : -1, disk);
        return new(info, Long(fixedPart, 0), (int)Math.Min(Word(fixedPart, 8), int.MaxValue))
        {
            ExtraBytes = extra,
            UnknownExtra = extra > Qcow2Snapshot.KnownExtraBytes ? [.. rest.AsSpan(Qcow2Snapshot.KnownExtraBytes, extra - Qcow2Snapshot.KnownExtraBytes)] : [],
        };
    }

    // Others end a name at its first zero byte.
    private static string Name(ReadOnlySpan<byte> bytes) => Encoding.UTF8.GetString(bytes.IndexOf((byte)0) is var end and >= 0 ? bytes[..end] : bytes);

    private static async ValueTask ReadAsync(BlockNode file, long offset, Memory<byte> to, CancellationToken cancellation)
    {
        try
        {
            await file.ReadBytesAsync(offset, to, cancellation).ConfigureAwait(false);
        }
        catch (BlockIoException e)
        {
            throw new ImageException("Failed to read snapshot table", e);
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static int Half(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt16BigEndian(bytes.AsSpan(offset));

    private static uint Word(byte[] bytes, int offset) => BinaryPrimitives.ReadUInt32BigEndian(bytes.AsSpan(offset));

    private static long Long(byte[] bytes, int offset) => BinaryPrimitives.ReadInt64BigEndian(bytes.AsSpan(offset));
}
