using System;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Graph;

/// <summary>
/// A node of the block graph: a file, a format or a filter, seen as an array of bytes. Offsets and lengths are bytes everywhere.
/// <para>The caller keeps ranges inside [0, <see cref="LengthBytes"/>) and aligned to <see cref="BlockLimits.RequestAlignmentBytes"/>; anything
/// else is a bug and throws <see cref="ArgumentOutOfRangeException"/>. Storage that says no throws <see cref="BlockIoException"/>.
/// Concurrent requests are allowed; overlapping ones that are in flight together land in any order.</para>
/// <para>A read sees every write that completed before it began. A write that completed is durable only after a later
/// <see cref="FlushAsync"/> completed, or with <see cref="WriteFlags.Durable"/>. A node may do its work on the caller's thread before it returns.</para>
/// </summary>
public abstract class BlockNode : IAsyncDisposable
{
    /// <summary>Length in bytes, a multiple of the request alignment.</summary>
    public abstract long LengthBytes { get; }

    /// <summary>What requests must look like and which are worth making.</summary>
    public abstract BlockLimits Limits { get; }

    /// <summary>How messages and JSON name the node: a path, a URI or a json: description.</summary>
    public virtual string Filename => Children is [{ Kind: not BlockEdgeKind.Backing } first, ..] ? first.Child.Filename : "";

    /// <summary>
    /// What was made a moment ago reads as zeros until it is written, so that zeros need not be. Not so where space had another use before, as a device has, or
    /// where what nobody wrote decrypts to noise.
    /// </summary>
    public virtual bool IsZeroWhenNew => true;

    /// <summary>The nodes below.</summary>
    public virtual ImmutableArray<BlockEdge> Children => [];

    /// <summary>Bytes of storage that the node and what it stores its bytes in take; images below it not counted. Null where nobody knows.</summary>
    public virtual long? AllocatedBytes
    {
        get
        {
            long? sum = null;
            foreach (BlockEdge edge in Children)
                if (edge.Kind != BlockEdgeKind.Backing && edge.Child.AllocatedBytes is long bytes) sum = (sum ?? 0) + bytes;
            return sum;
        }
    }

    /// <summary>Fills <paramref name="destination"/> from <paramref name="offset"/>.</summary>
    public abstract ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation);

    /// <summary>Writes <paramref name="source"/> at <paramref name="offset"/>.</summary>
    public abstract ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation);

    /// <summary>Makes a range read as zeros. <see cref="WriteFlags.MayUnmap"/> allows to give its space back.</summary>
    public abstract ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation);

    /// <summary>Says that a range's content is no longer needed; it reads as anything afterwards. A hint: storage may ignore it.</summary>
    public abstract ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation);

    /// <summary>Completes when all writes that completed earlier are durable.</summary>
    public abstract ValueTask FlushAsync(CancellationToken cancellation);

    /// <summary>What a range holds, from <paramref name="offset"/> on: at most <paramref name="lengthBytes"/>, at least 1 byte of one kind.</summary>
    public abstract ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation);

    /// <summary>
    /// Changes the length. What is new reads as zeros, whatever lies below. <see cref="LengthBytes"/> and <see cref="Limits"/> show it when the task completes.
    /// Not while other requests are in flight, except that a file may be made longer while requests inside its old length are.
    /// </summary>
    public virtual ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation) =>
        throw new BlockIoException($"\"{Filename}\" cannot be resized.", BlockIoException.Enotsup);

    /// <summary>Closes the node and what it owns. Not durable by itself: flush first.</summary>
    public abstract ValueTask DisposeAsync();

    /// <summary>Throws for a range that is not inside the node.</summary>
    protected void CheckRange(long offset, long lengthBytes)
    {
        if (offset < 0 || lengthBytes < 0 || offset > LengthBytes - lengthBytes)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{lengthBytes} bytes at {offset} are outside a node of {LengthBytes} bytes.");
    }
}
