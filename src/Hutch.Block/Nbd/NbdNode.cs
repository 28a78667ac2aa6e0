using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Nbd;

/// <summary>An export of an NBD server. Requests that are longer than the server takes are cut; a server that cannot write zeroes gets them as data.</summary>
internal sealed class NbdNode : BlockNode
{
    // The server need not answer at once, but others should not wait for it too long.
    private const long LongestRangeBytes = 1L << 30;
    private const int ZeroBytes = 1 << 20;

    private readonly NbdLink _link;
    private readonly NbdClientOptions _options;

    private NbdNode(NbdLink link, NbdClientOptions options)
    {
        (_link, _options) = (link, options);
        NbdExportInfo info = link.Info;
        bool readOnly = options.ReadOnly || info.Has(NbdExportFlags.ReadOnly);
        Limits = new BlockLimits
        {
            IsReadOnly = readOnly,
            RequestAlignmentBytes = info.MinimumBlockBytes,
            PhysicalBlockBytes = Math.Max(info.MinimumBlockBytes, info.PreferredBlockBytes),
            CanDiscard = !readOnly && info.Has(NbdExportFlags.SendTrim),
            DiscardAlignmentBytes = Math.Max(info.MinimumBlockBytes, info.PreferredBlockBytes),
            HasFastZeroes = !readOnly && info.Has(NbdExportFlags.SendWriteZeroes),
        };
    }

    /// <summary>Connects. Throws <see cref="DiskOpenException"/>.</summary>
    internal static async ValueTask<BlockNode> OpenAsync(NbdClientOptions options, CancellationToken cancellation)
    {
        NbdNode node;
        try
        {
            node = new NbdNode(await NbdLink.OpenAsync(options, cancellation).ConfigureAwait(false), options);
        }
        catch (NbdException e)
        {
            throw new DiskOpenException($"Disk \"{options.Address}\" cannot be opened: {e.Message}.", e) { Reason = e.Message };
        }
        if (!options.ReadOnly && node.Limits.IsReadOnly)
        {
            await node.DisposeAsync().ConfigureAwait(false);
            throw new DiskOpenException($"Disk \"{options.Address}\" may only be read: the server exports it so.") { Reason = "request on write denied without write permission" };
        }
        return node.Limits.RequestAlignmentBytes == 1 ? node : new Filters.AlignmentNode(node);
    }

    /// <inheritdoc/>
    public override long LengthBytes => _link.Info.LengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override bool IsZeroWhenNew => false;

    /// <inheritdoc/>
    public override string Filename => _options.Address.ToString();

    /// <inheritdoc/>
    public override async ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        Check(offset, destination.LengthBytes, writes: false, cancellation);
        for (long done = 0; done < destination.LengthBytes;)
        {
            long length = Math.Min(destination.LengthBytes - done, _link.Info.MaximumBlockBytes), at = offset + done;
            IoVector part = destination.Slice(done, length);
            await _link.RunAsync(() => new NbdRequest { Command = NbdCommand.Read, Offset = at, LengthBytes = (uint)length, Memory = part }, cancellation).ConfigureAwait(false);
            done += length;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        Check(offset, source.LengthBytes, writes: true, cancellation);
        bool fua = (flags & WriteFlags.Durable) != 0 && _link.Info.Has(NbdExportFlags.SendFua);
        for (long done = 0; done < source.LengthBytes;)
        {
            long length = Math.Min(source.LengthBytes - done, _link.Info.MaximumBlockBytes), at = offset + done;
            IoVector part = source.Slice(done, length);
            await _link.RunAsync(() => new NbdRequest
            {
                Command = NbdCommand.Write,
                Flags = fua ? NbdCommandFlags.Fua : NbdCommandFlags.None,
                Offset = at,
                LengthBytes = (uint)length,
                Memory = part,
            }, cancellation).ConfigureAwait(false);
            done += length;
        }
        if (!fua && (flags & WriteFlags.Durable) != 0) await FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        Check(offset, lengthBytes, writes: true, cancellation);
        if (!_link.Info.Has(NbdExportFlags.SendWriteZeroes))
        {
            if ((flags & WriteFlags.NoFallback) != 0) throw new BlockIoException($"\"{Filename}\": the server cannot write zeroes.", BlockIoException.Enotsup);
            await WriteZeroDataAsync(offset, lengthBytes, flags, cancellation).ConfigureAwait(false);
            return;
        }
        NbdCommandFlags how = (flags & WriteFlags.MayUnmap) == 0 ? NbdCommandFlags.NoHole : NbdCommandFlags.None;
        bool fua = (flags & WriteFlags.Durable) != 0 && _link.Info.Has(NbdExportFlags.SendFua);
        if (fua) how |= NbdCommandFlags.Fua;
        if ((flags & WriteFlags.NoFallback) != 0)
        {
            if (!_link.Info.Has(NbdExportFlags.SendFastZero)) throw new BlockIoException($"\"{Filename}\": the server does not tell whether its zeroes are fast.", BlockIoException.Enotsup);
            how |= NbdCommandFlags.FastZero;
        }
        await RunRangeAsync(NbdCommand.WriteZeroes, how, offset, lengthBytes, cancellation).ConfigureAwait(false);
        if (!fua && (flags & WriteFlags.Durable) != 0) await FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        Check(offset, lengthBytes, writes: true, cancellation);
        return Limits.CanDiscard ? RunRangeAsync(NbdCommand.Trim, NbdCommandFlags.None, offset, lengthBytes, cancellation) : ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override async ValueTask FlushAsync(CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (Limits.IsReadOnly || !_link.Info.Has(NbdExportFlags.SendFlush)) return;
        await _link.RunAsync(static () => new NbdRequest { Command = NbdCommand.Flush }, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        Check(offset, lengthBytes, writes: false, cancellation);
        if (_link.Info.ContextId is null) return new BlockExtent(BlockExtentKind.Data, lengthBytes) { FileOffset = offset, File = this };
        long length = Math.Min(lengthBytes, LongestRangeBytes);
        NbdRequest request = await _link.RunAsync(() => new NbdRequest
        {
            Command = NbdCommand.BlockStatus,
            Flags = NbdCommandFlags.RequestOne,
            Offset = offset,
            LengthBytes = (uint)length,
        }, cancellation).ConfigureAwait(false);
        (long found, uint state) = request.Extents[0];
        BlockExtentKind kind = (state & NbdProtocol.StateZero) != 0 ? BlockExtentKind.Zero : (state & NbdProtocol.StateHole) != 0 ? BlockExtentKind.Unallocated : BlockExtentKind.Data;
        return new BlockExtent(kind, found) { FileOffset = offset, File = this };
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => _link.DisposeAsync();

    private async ValueTask RunRangeAsync(NbdCommand command, NbdCommandFlags flags, long offset, long lengthBytes, CancellationToken cancellation)
    {
        while (lengthBytes > 0)
        {
            long length = Math.Min(lengthBytes, LongestRangeBytes), at = offset;
            await _link.RunAsync(() => new NbdRequest { Command = command, Flags = flags, Offset = at, LengthBytes = (uint)length }, cancellation).ConfigureAwait(false);
            (offset, lengthBytes) = (offset + length, lengthBytes - length);
        }
    }

    private async ValueTask WriteZeroDataAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        if (lengthBytes == 0) return;
        using NativeBuffer zeros = new((int)Math.Min(lengthBytes, ZeroBytes));
        while (lengthBytes > 0)
        {
            int length = (int)Math.Min(lengthBytes, zeros.LengthBytes);
            await WriteAsync(offset, new IoVector(new[] { zeros.Segment(0, length) }), flags & WriteFlags.Durable, cancellation).ConfigureAwait(false);
            (offset, lengthBytes) = (offset + length, lengthBytes - length);
        }
    }

    private void Check(long offset, long lengthBytes, bool writes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        if (((offset | lengthBytes) & (Limits.RequestAlignmentBytes - 1)) != 0)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{lengthBytes} bytes at {offset} are not aligned to {Limits.RequestAlignmentBytes}.");
        if (writes && Limits.IsReadOnly) throw new BlockIoException($"\"{Filename}\" was opened read-only.", BlockIoException.Eperm);
    }
}
