using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;

namespace Hutch.Block.Formats.Qcow2;

/// <summary>
/// Requests that change the disk, on their way to the data path: bitmaps that record are in use before the first byte changes, and have what changed when a
/// request completes, or fails, which may be after a part of it. Where none records, nothing is done about it.
/// </summary>
internal sealed class Qcow2Recorder(Qcow2Bitmaps bitmaps, Qcow2Metadata metadata, Qcow2Writer writer, Qcow2Unmapper unmapper)
{
    /// <summary>Writes; a whole cluster compressed where <paramref name="compresses"/>.</summary>
    internal ValueTask WriteAsync(long offset, IoVector source, bool compresses, CancellationToken cancellation)
    {
        if (!bitmaps.Records) return PutAsync(offset, source, compresses, cancellation);
        if (bitmaps.MustBegin) return BeginWriteAsync(offset, source, compresses, cancellation);
        bool pending = false;
        try
        {
            ValueTask write = PutAsync(offset, source, compresses, cancellation);
            pending = !write.IsCompletedSuccessfully;
            return pending ? EndAsync(write, offset, source.LengthBytes) : ValueTask.CompletedTask;
        }
        finally
        {
            if (!pending) bitmaps.Record(offset, source.LengthBytes);
        }
    }

    /// <summary>Stores the compressed data of one cluster.</summary>
    internal ValueTask PlaceCompressedAsync(long offset, IoVector data, CancellationToken cancellation) =>
        bitmaps.Records ? PlaceRecordedAsync(offset, data, cancellation) : writer.PlaceCompressedAsync(offset, data, cancellation);

    /// <summary>Makes a range read as zeros.</summary>
    internal ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) =>
        bitmaps.Records ? ZeroRecordedAsync(offset, lengthBytes, flags, cancellation) : ZeroAsync(offset, lengthBytes, flags, cancellation);

    /// <summary>Gives a range up.</summary>
    internal ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) =>
        bitmaps.Records ? DiscardRecordedAsync(offset, lengthBytes, cancellation) : DropAsync(offset, lengthBytes, cancellation);

    /// <summary>Changes the disk's length. Bitmaps on disk are for the old one: they are in use until they are stored for the new one.</summary>
    internal async ValueTask ResizeAsync(Qcow2Resizer resizer, long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        await bitmaps.BeginResizeAsync(lengthBytes).ConfigureAwait(false);
        await resizer.ResizeAsync(lengthBytes, preallocation, cancellation).ConfigureAwait(false);
        await bitmaps.ResizeAsync().ConfigureAwait(false);
        await bitmaps.StoreAsync().ConfigureAwait(false);
    }

    private ValueTask PutAsync(long offset, IoVector source, bool compresses, CancellationToken cancellation) =>
        compresses ? writer.WriteCompressedAsync(offset, source, cancellation) : writer.WriteAsync(offset, source, cancellation);

    private ValueTask ZeroAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) =>
        unmapper.WriteZeroesAsync(offset, lengthBytes, flags, metadata.Header.LengthBytes, cancellation);

    private ValueTask DropAsync(long offset, long lengthBytes, CancellationToken cancellation) => unmapper.DiscardAsync(offset, lengthBytes, metadata.Header.LengthBytes, cancellation);

    private async ValueTask BeginWriteAsync(long offset, IoVector source, bool compresses, CancellationToken cancellation)
    {
        await bitmaps.BeginAsync().ConfigureAwait(false);
        await WriteAsync(offset, source, compresses, cancellation).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask EndAsync(ValueTask write, long offset, long lengthBytes)
    {
        try
        {
            await write.ConfigureAwait(false);
        }
        finally
        {
            bitmaps.Record(offset, lengthBytes);
        }
    }

    private async ValueTask PlaceRecordedAsync(long offset, IoVector data, CancellationToken cancellation)
    {
        await bitmaps.BeginAsync().ConfigureAwait(false);
        await EndAsync(writer.PlaceCompressedAsync(offset, data, cancellation), offset, metadata.Geometry.ClusterBytes).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask ZeroRecordedAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        await bitmaps.BeginAsync().ConfigureAwait(false);
        await EndAsync(ZeroAsync(offset, lengthBytes, flags, cancellation), offset, lengthBytes).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask DiscardRecordedAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        await bitmaps.BeginAsync().ConfigureAwait(false);
        await EndAsync(DropAsync(offset, lengthBytes, cancellation), offset, lengthBytes).ConfigureAwait(false);
    }
}
