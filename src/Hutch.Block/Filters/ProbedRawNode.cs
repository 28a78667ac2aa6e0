using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Filters;

/// <summary>
/// A raw image whose format nobody named. It must not become one of another format: whoever opened it next would follow the backing file that the guest
/// wrote into it. Writes to its head are therefore looked at, in a copy, with what lies around them, and refused when the result looks like another format.
/// </summary>
internal sealed class ProbedRawNode : FilterNode
{
    private const int Eperm = 1;

    private readonly string _name;
    // Writes to the head come one after the other, so that two cannot make together what neither makes alone.
    private readonly SemaphoreSlim _one = new(1);
    private readonly NativeBuffer _head = new(ImageFormats.ProbeBytes);

    internal ProbedRawNode(BlockNode child) : base(child) => _name = child.Filename;

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) =>
        offset >= ImageFormats.ProbeBytes || source.LengthBytes == 0 ? Child.WriteAsync(offset, source, flags, cancellation) : WriteHeadAsync(offset, source, flags, cancellation);

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) =>
        offset >= ImageFormats.ProbeBytes || lengthBytes == 0 ? Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation) : ZeroHeadAsync(offset, lengthBytes, flags, cancellation);

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        // What is discarded may read as zeros; the head is so small that it is left alone instead.
        if (offset >= ImageFormats.ProbeBytes) return Child.DiscardAsync(offset, lengthBytes, cancellation);
        CheckRange(offset, lengthBytes);
        long end = offset + lengthBytes;
        return end <= ImageFormats.ProbeBytes ? ValueTask.CompletedTask : Child.DiscardAsync(ImageFormats.ProbeBytes, end - ImageFormats.ProbeBytes, cancellation);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync().ConfigureAwait(false);
        _one.Dispose();
        _head.Dispose();
    }

    private async ValueTask WriteHeadAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, source.LengthBytes);
        int length = (int)Math.Min(source.LengthBytes, ImageFormats.ProbeBytes - offset);
        await _one.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await ReadHeadAsync(cancellation).ConfigureAwait(false);
            source.CopyTo(_head.Span.Slice((int)offset, length));
            CheckHead("write");
            await Child.WriteAsync(offset, new IoVector(new[] { _head.Segment((int)offset, length) }), flags, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _one.Release();
        }
        if (length < source.LengthBytes) await Child.WriteAsync(offset + length, source.Slice(length, source.LengthBytes - length), flags, cancellation).ConfigureAwait(false);
    }

    private async ValueTask ZeroHeadAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        await _one.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await ReadHeadAsync(cancellation).ConfigureAwait(false);
            _head.Span[(int)offset..(int)Math.Min(offset + lengthBytes, ImageFormats.ProbeBytes)].Clear();
            CheckHead("zero");
            await Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation).ConfigureAwait(false);
        }
        finally
        {
            _one.Release();
        }
    }

    private ValueTask ReadHeadAsync(CancellationToken cancellation)
    {
        _head.Span.Clear();
        int length = (int)Math.Min(ImageFormats.ProbeBytes, LengthBytes);
        return Child.ReadAsync(0, new IoVector(new[] { _head.Segment(0, length) }), cancellation);
    }

    private void CheckHead(string verb)
    {
        ImageFormat format = ImageFormats.Probe(_head.Span, _name);
        if (format.Name != "raw")
            throw new BlockIoException($"Disk \"{_name}\" is a raw image only because it looks like none other, and this {verb} would make it look like {format.Name}; say format=raw where it is opened.", Eperm);
    }
}
