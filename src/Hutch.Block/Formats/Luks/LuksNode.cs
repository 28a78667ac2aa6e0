using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Crypto;
using Hutch.Block.Graph;
using Hutch.Host.DiskIo;
using Hutch.Host.Time;

namespace Hutch.Block.Formats.Luks;

/// <summary>
/// An open LUKS volume: what is written is encrypted on its way. Data passes through memory of ours, so that a guest never sees ciphertext, nor can change
/// what is being encrypted.
/// </summary>
internal sealed class LuksNode : ImageNode, IImageAmend
{
    private readonly BlockNode _file;
    private readonly LuksVolume _volume;
    private readonly ISectorCipher? _cipher;
    private readonly byte[]? _passphrase;
    private readonly ISecrets? _secrets;
    private readonly IClock _clock;
    private readonly long _payload;
    private readonly BounceBuffers _bounces = new();

    /// <summary>Makes the node and owns <paramref name="file"/>. Without <paramref name="cipher"/> only the header can be looked at.</summary>
    internal LuksNode(BlockNode file, LuksVolume volume, ISectorCipher? cipher, byte[]? passphrase, ImageOpenOptions options, IClock clock)
    {
        _file = file;
        _volume = volume;
        _cipher = cipher;
        _passphrase = passphrase?.AsSpan().ToArray();
        _secrets = options.Secrets;
        _clock = clock;
        _payload = volume.Header.PayloadOffset;
        Limits = new BlockLimits
        {
            IsReadOnly = options.ReadOnly || file.Limits.IsReadOnly,
            RequestAlignmentBytes = Math.Max(LuksHeader.SectorBytes, file.Limits.RequestAlignmentBytes),
            PhysicalBlockBytes = Math.Max(LuksHeader.SectorBytes, file.Limits.PhysicalBlockBytes),
        };
    }

    /// <inheritdoc/>
    public override long LengthBytes => (_file.LengthBytes - _payload) & -LuksHeader.SectorBytes;

    /// <inheritdoc/>
    public override ImageFormat Format => LuksFormat.Instance;

    /// <inheritdoc/>
    public override BlockLimits Limits { get; }

    /// <inheritdoc/>
    public override bool IsEncrypted => true;

    /// <summary>What nobody has written decrypts to noise.</summary>
    public override bool IsZeroWhenNew => false;

    /// <inheritdoc/>
    public override ImmutableArray<BlockEdge> Children => [new(BlockEdgeKind.Protocol, _file)];

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        ISectorCipher cipher = Check(offset, destination.LengthBytes);
        if (destination.LengthBytes > BounceBuffers.MaxBytes) return ReadLongAsync(offset, destination, cancellation);
        int length = (int)destination.LengthBytes;
        BounceBuffer bounce = _bounces.Rent(length);
        ValueTask reading;
        try
        {
            reading = _file.ReadAsync(_payload + offset, bounce.Vector(length), cancellation);
            if (!reading.IsCompletedSuccessfully) return FinishReadAsync(reading, cipher, offset, bounce, destination);
            SectorRun.Decrypt(cipher, offset, bounce.Memory, destination);
        }
        catch
        {
            _bounces.Return(bounce);
            throw;
        }
        _bounces.Return(bounce);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        ISectorCipher cipher = CheckWritable(offset, source.LengthBytes);
        cancellation.ThrowIfCancellationRequested();
        if (source.LengthBytes > BounceBuffers.MaxBytes) return WriteLongAsync(offset, source, flags, cancellation);
        int length = (int)source.LengthBytes;
        BounceBuffer bounce = _bounces.Rent(length);
        ValueTask writing;
        try
        {
            SectorRun.Encrypt(cipher, offset, source, bounce.Memory);
            writing = _file.WriteAsync(_payload + offset, bounce.Vector(length), flags & WriteFlags.Durable, cancellation);
            if (!writing.IsCompletedSuccessfully) return FinishWriteAsync(writing, bounce);
        }
        catch
        {
            _bounces.Return(bounce);
            throw;
        }
        _bounces.Return(bounce);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        ISectorCipher cipher = CheckWritable(offset, lengthBytes);
        if ((flags & WriteFlags.NoFallback) != 0) throw new BlockIoException($"\"{Filename}\": an encrypted image has no zeros but written ones.", BlockIoException.Enotsup);
        BounceBuffer bounce = _bounces.Rent(BounceBuffers.MaxBytes);
        try
        {
            while (lengthBytes != 0)
            {
                cancellation.ThrowIfCancellationRequested();
                int part = (int)Math.Min(lengthBytes, BounceBuffers.MaxBytes);
                bounce.Memory.Span[..part].Clear();
                cipher.Encrypt(offset, bounce.Memory.Span[..part]);
                await _file.WriteAsync(_payload + offset, bounce.Vector(part), flags & WriteFlags.Durable, cancellation).ConfigureAwait(false);
                offset += part;
                lengthBytes -= part;
            }
        }
        finally
        {
            _bounces.Return(bounce);
        }
    }

    /// <summary>Does nothing: which sectors are in use is nobody's business, and what a hole decrypts to is noise.</summary>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        _ = CheckWritable(offset, lengthBytes);
        cancellation.ThrowIfCancellationRequested();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => _file.FlushAsync(cancellation);

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        CheckRange(offset, lengthBytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, 1);
        return ValueTask.FromResult(new BlockExtent(BlockExtentKind.Data, lengthBytes));
    }

    /// <inheritdoc/>
    public override async ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        if (Limits.IsReadOnly) throw new BlockIoException($"\"{Filename}\" was opened read-only.");
        if (lengthBytes > long.MaxValue - _payload) throw new ImageException("The requested file size is too large");
        long old = LengthBytes;
        await _file.ResizeAsync(_payload + lengthBytes, preallocation, cancellation).ConfigureAwait(false);
        if (LengthBytes > old) await WriteZeroesAsync(old, LengthBytes - old, WriteFlags.None, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<KeyValuePair<string, object>>? DescribeSpecifics() => _volume.Describe(withFormat: false);

    /// <inheritdoc/>
    public ValueTask AmendAsync(IReadOnlyDictionary<string, string> options, bool force, Action<double>? progress, CancellationToken cancellation)
    {
        if (_passphrase is null) throw new ImageException("Parameter 'key-secret' is required for cipher");
        return LuksAmendment.ApplyAsync(_volume, options, "", _passphrase, _secrets, force, _clock, cancellation);
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        if (_passphrase is not null) System.Security.Cryptography.CryptographicOperations.ZeroMemory(_passphrase);
        _bounces.Dispose();
        return _file.DisposeAsync();
    }

    private ISectorCipher Check(long offset, long lengthBytes)
    {
        CheckRange(offset, lengthBytes);
        if (((offset | lengthBytes) & (Limits.RequestAlignmentBytes - 1)) != 0)
            throw new ArgumentOutOfRangeException(nameof(offset), $"{lengthBytes} bytes at {offset} are not aligned to {Limits.RequestAlignmentBytes}.");
        return _cipher ?? throw new BlockIoException($"\"{Filename}\" was opened without its key.");
    }

    private ISectorCipher CheckWritable(long offset, long lengthBytes)
    {
        ISectorCipher cipher = Check(offset, lengthBytes);
        return Limits.IsReadOnly ? throw new BlockIoException($"\"{Filename}\" was opened read-only.") : cipher;
    }

    private async ValueTask FinishReadAsync(ValueTask reading, ISectorCipher cipher, long offset, BounceBuffer bounce, IoVector destination)
    {
        try
        {
            await reading.ConfigureAwait(false);
            if (destination.LengthBytes >= SectorRun.LongBytes) await default(PoolThread);
            SectorRun.Decrypt(cipher, offset, bounce.Memory, destination);
        }
        finally
        {
            _bounces.Return(bounce);
        }
    }

    private async ValueTask FinishWriteAsync(ValueTask writing, BounceBuffer bounce)
    {
        try
        {
            await writing.ConfigureAwait(false);
        }
        finally
        {
            _bounces.Return(bounce);
        }
    }

    private async ValueTask ReadLongAsync(long offset, IoVector destination, CancellationToken cancellation)
    {
        for (long done = 0; done < destination.LengthBytes; done += BounceBuffers.MaxBytes)
        {
            IoVector part = destination.Slice(done, Math.Min(BounceBuffers.MaxBytes, destination.LengthBytes - done));
            await ReadAsync(offset + done, part, cancellation).ConfigureAwait(false);
        }
    }

    private async ValueTask WriteLongAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        for (long done = 0; done < source.LengthBytes; done += BounceBuffers.MaxBytes)
        {
            IoVector part = source.Slice(done, Math.Min(BounceBuffers.MaxBytes, source.LengthBytes - done));
            await WriteAsync(offset + done, part, flags, cancellation).ConfigureAwait(false);
        }
    }
}
