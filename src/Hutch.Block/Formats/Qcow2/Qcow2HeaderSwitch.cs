using System;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Writes the header so that after a crash it is the old one or the new one, where storage writes sectors whole. A change of one sector is one write. One
/// of several goes by way of an interim header, the old one in the first sector alone, with the backing image's name at the end of the cluster: it
/// looks at nothing of what is being changed.
/// </summary>
internal static class Qcow2HeaderSwitch
{
    private const int SectorBytes = 512;

    /// <summary>Makes <paramref name="now"/> the header, durably, in place of <paramref name="old"/>.</summary>
    internal static async ValueTask WriteAsync(BlockNode file, Qcow2Header old, Qcow2Header now, CancellationToken cancellation)
    {
        byte[] cluster = Qcow2HeaderWriter.Write(now, out int used), there = new byte[cluster.Length];
        await file.ReadBytesAsync(0, there, cancellation).ConfigureAwait(false);
        if (CountDifferent(there, cluster) <= 1 || FindInterim(old, used, out int name) is not { } interim)
        {
            await WriteAsync(file, 0, cluster).ConfigureAwait(false);
            return;
        }
        if (name < cluster.Length) await WriteAsync(file, name, interim.AsMemory(name)).ConfigureAwait(false);
        await WriteAsync(file, 0, interim.AsMemory(0, SectorBytes)).ConfigureAwait(false);
        await WriteAsync(file, SectorBytes, cluster.AsMemory(SectorBytes, name - SectorBytes)).ConfigureAwait(false);
        await WriteAsync(file, 0, cluster.AsMemory(0, SectorBytes)).ConfigureAwait(false);
        // What is behind the header now says nothing.
        if (name < cluster.Length) await file.WriteBytesAsync(name, cluster.AsMemory(name), WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
    }

    private static async ValueTask WriteAsync(BlockNode file, long offset, ReadOnlyMemory<byte> bytes)
    {
        await file.WriteBytesAsync(offset, bytes, WriteFlags.None, CancellationToken.None).ConfigureAwait(false);
        await file.FlushAsync(CancellationToken.None).ConfigureAwait(false);
    }

    // Null where the old header needs more than a sector even so.
    private static byte[]? FindInterim(Qcow2Header old, int used, out int name)
    {
        int length = old.BackingName is { } text ? Encoding.UTF8.GetByteCount(text) : 0;
        name = (old.ClusterBytes - length) & -SectorBytes;
        return name >= Math.Max(used, SectorBytes) && Qcow2HeaderWriter.WriteInterim(old, name, out int end) is { } interim && end <= SectorBytes ? interim : null;
    }

    private static int CountDifferent(ReadOnlySpan<byte> there, ReadOnlySpan<byte> cluster)
    {
        int different = 0;
        for (int at = 0; at < cluster.Length; at += SectorBytes)
            if (!there.Slice(at, SectorBytes).SequenceEqual(cluster.Slice(at, SectorBytes))) different++;
        return different;
    }
}
