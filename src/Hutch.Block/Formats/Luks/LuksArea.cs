using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Luks;

/// <summary>Where a header with its key material lies: at the start of a volume, or in a region of a qcow2 file.</summary>
/// <param name="File">The node that holds it.</param>
/// <param name="Offset">Its first byte.</param>
/// <param name="LengthBytes">How much of the file may be taken for it.</param>
internal readonly record struct LuksArea(BlockNode File, long Offset, long LengthBytes)
{
    /// <summary>Reads; throws <see cref="ImageException"/> for what lies outside.</summary>
    internal ValueTask ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        Check(offset, destination.Length);
        return File.ReadBytesAsync(Offset + offset, destination, cancellation);
    }

    /// <summary>Writes, with the same bounds; not durable before <see cref="FlushAsync"/>.</summary>
    internal ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> source, CancellationToken cancellation)
    {
        Check(offset, source.Length);
        return File.WriteBytesAsync(Offset + offset, source, WriteFlags.None, cancellation);
    }

    /// <summary>Makes what was written durable.</summary>
    internal ValueTask FlushAsync(CancellationToken cancellation) => File.FlushAsync(cancellation);

    private void Check(long offset, int lengthBytes)
    {
        if (offset > LengthBytes - lengthBytes) throw new ImageException("LUKS header is cut off", $"It needs {offset + lengthBytes} bytes and there are {LengthBytes}.");
    }
}
