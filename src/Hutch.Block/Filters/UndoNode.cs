using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Filters;

/// <summary>
/// Keeps what writes replace, in a file that can put it back. The file is a header (magic, version, the length before, all little-endian) and records: offset,
/// length, old bytes. A record is durable before the write that it is about begins.
/// </summary>
internal sealed class UndoNode : FilterNode
{
    private const int BlockBytes = 64 << 10, HeaderBytes = 24, RecordBytes = 16;
    private const uint Version = 1;

    private readonly DiskFile _undo;
    private readonly long _lengthBefore;
    private readonly HashSet<long> _kept = [];
    private readonly SemaphoreSlim _keeping = new(1);
    private long _end;

    /// <summary>Begins with an empty undo file. Throws <see cref="ImageException"/> where there is one already.</summary>
    internal UndoNode(BlockNode child, string path) : base(child)
    {
        if (File.Exists(path)) throw new ImageException($"The undo file '{path}' is there already");
        _undo = DiskFile.Open(path, DiskOpenFlags.Create | DiskOpenFlags.Exclusive);
        _lengthBefore = child.LengthBytes;
        byte[] header = new byte[HeaderBytes];
        Magic.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(8), Version);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), _lengthBefore);
        _undo.Write(0, header);
        _undo.SyncData();
        _end = HeaderBytes;
    }

    private static ReadOnlySpan<byte> Magic => "HUTCHUND"u8;

    /// <summary>Puts back what an undo file holds, and the length. Throws <see cref="ImageException"/> for what is no undo file.</summary>
    internal static async ValueTask ApplyAsync(string path, BlockNode target, CancellationToken cancellation)
    {
        using DiskFile undo = DiskFile.Open(path, readOnly: true);
        long length = undo.GetLengthBytes();
        byte[] header = new byte[HeaderBytes];
        undo.Read(0, header);
        if (!header.AsSpan().StartsWith(Magic) || BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(8)) != Version)
            throw new ImageException($"'{path}' is no undo file");
        byte[] record = new byte[RecordBytes], data = new byte[BlockBytes];
        for (long at = HeaderBytes; at + RecordBytes <= length;)
        {
            undo.Read(at, record);
            long offset = BinaryPrimitives.ReadInt64LittleEndian(record);
            int bytes = BinaryPrimitives.ReadInt32LittleEndian(record.AsSpan(8));
            if (offset < 0 || bytes is < 1 or > BlockBytes || at + RecordBytes + bytes > length) throw new ImageException($"The undo file '{path}' is damaged");
            undo.Read(at + RecordBytes, data.AsSpan(0, bytes));
            await target.WriteBytesAsync(offset, data.AsMemory(0, bytes), WriteFlags.None, cancellation).ConfigureAwait(false);
            at += RecordBytes + bytes;
        }
        await target.ResizeAsync(BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(16)), Preallocation.Off, cancellation).ConfigureAwait(false);
        await target.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation)
    {
        await KeepAsync(offset, source.LengthBytes, cancellation).ConfigureAwait(false);
        await Child.WriteAsync(offset, source, flags, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation)
    {
        await KeepAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
        await Child.WriteZeroesAsync(offset, lengthBytes, flags, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        await KeepAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
        await Child.DiscardAsync(offset, lengthBytes, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask ResizeAsync(long lengthBytes, Preallocation preallocation, CancellationToken cancellation)
    {
        if (lengthBytes < Child.LengthBytes) await KeepAsync(lengthBytes, Child.LengthBytes - lengthBytes, cancellation).ConfigureAwait(false);
        await Child.ResizeAsync(lengthBytes, preallocation, cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync().ConfigureAwait(false);
        _undo.Dispose();
        _keeping.Dispose();
    }

    private async ValueTask KeepAsync(long offset, long lengthBytes, CancellationToken cancellation)
    {
        long end = Math.Min(offset + lengthBytes, _lengthBefore);
        if (offset >= end) return;
        await _keeping.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            bool any = false;
            for (long block = offset / BlockBytes; block * BlockBytes < end; block++)
            {
                if (!_kept.Add(block)) continue;
                await KeepBlockAsync(block * BlockBytes, cancellation).ConfigureAwait(false);
                any = true;
            }
            if (any) _undo.SyncData();
        }
        finally
        {
            _keeping.Release();
        }
    }

    private async ValueTask KeepBlockAsync(long start, CancellationToken cancellation)
    {
        int bytes = (int)Math.Min(BlockBytes, _lengthBefore - start);
        byte[] record = new byte[RecordBytes + bytes];
        BinaryPrimitives.WriteInt64LittleEndian(record, start);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(8), bytes);
        await Child.ReadBytesAsync(start, record.AsMemory(RecordBytes), cancellation).ConfigureAwait(false);
        _undo.Write(_end, record);
        _end += record.Length;
    }
}
