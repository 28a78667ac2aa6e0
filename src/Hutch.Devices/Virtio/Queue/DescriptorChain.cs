using System;
using Hutch.Core.Memory;
using Hutch.Host.Files;

namespace Hutch.Devices.Virtio.Queue;

/// <summary>
/// One descriptor chain as two byte strings: what the driver wrote for the device, then what the device may write (virtio 1.2 §2.7.4).
/// Where a driver cuts them into buffers means nothing, so that devices address bytes, not buffers. Reused for every pop; one thread.
/// </summary>
internal sealed class DescriptorChain
{
    private const int UsualBuffers = 16;

    private readonly int _maxBuffers;
    private GuestBuffer[] _buffers;
    private int _count;
    private int _readableCount;

    /// <summary>Makes a chain of at most <paramref name="maxBuffers"/>; its room grows to that when a driver first needs it, and stays.</summary>
    internal DescriptorChain(int maxBuffers)
    {
        _maxBuffers = maxBuffers;
        _buffers = new GuestBuffer[Math.Min(maxBuffers, UsualBuffers)];
    }

    /// <summary>The chain's id for the used ring.</summary>
    internal ushort Head { get; private set; }

    /// <summary>Bytes that the device may read.</summary>
    internal long ReadableBytes { get; private set; }

    /// <summary>Bytes that the device may write.</summary>
    internal long WritableBytes { get; private set; }

    /// <summary>The most segments that <see cref="Slice"/> can yield for the present chain.</summary>
    internal int SegmentCount => _count;

    internal void Begin(ushort head)
    {
        Head = head;
        _count = 0;
        _readableCount = 0;
        ReadableBytes = 0;
        WritableBytes = 0;
    }

    internal QueueFault Add(GuestBuffer buffer, bool writable)
    {
        if (_count == _maxBuffers) return QueueFault.ChainTooLong;
        if (_count == _buffers.Length) Array.Resize(ref _buffers, Math.Min(_maxBuffers, 2 * _count));
        if (writable) WritableBytes += buffer.Length;
        else if (_count > _readableCount) return QueueFault.ReadableAfterWritable;
        else
        {
            ReadableBytes += buffer.Length;
            _readableCount++;
        }
        _buffers[_count++] = buffer;
        return ReadableBytes + WritableBytes > uint.MaxValue ? QueueFault.BadLength : QueueFault.None;
    }

    /// <summary>Copies readable bytes from <paramref name="offset"/>. False, with nothing promised, when there are not so many.</summary>
    internal bool TryRead(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset > ReadableBytes - destination.Length) return false;
        for (int i = 0; i < _readableCount && destination.Length != 0; i++)
        {
            GuestBuffer buffer = _buffers[i];
            if (offset < buffer.Length)
            {
                int take = Math.Min(destination.Length, buffer.Length - (int)offset);
                buffer.CopyTo((int)offset, destination[..take]);
                destination = destination[take..];
                offset = 0;
            }
            else
            {
                offset -= buffer.Length;
            }
        }
        return true;
    }

    /// <summary>Copies bytes into the writable part at <paramref name="offset"/>. False, with nothing written, when they do not fit.</summary>
    internal bool TryWrite(long offset, ReadOnlySpan<byte> source)
    {
        if (offset < 0 || offset > WritableBytes - source.Length) return false;
        for (int i = _readableCount; i < _count && source.Length != 0; i++)
        {
            GuestBuffer buffer = _buffers[i];
            if (offset < buffer.Length)
            {
                int take = Math.Min(source.Length, buffer.Length - (int)offset);
                buffer.CopyFrom((int)offset, source[..take]);
                source = source[take..];
                offset = 0;
            }
            else
            {
                offset -= buffer.Length;
            }
        }
        return true;
    }

    /// <summary>
    /// Lists the host ranges of [offset, offset + length) of one part, for bulk I/O. Returns their number, -1 when the range does not fit.
    /// After the host wrote a writable slice, call <see cref="MarkWritten"/>.
    /// </summary>
    internal int Slice(bool writable, long offset, long length, Span<IoSegment> segments)
    {
        if (offset < 0 || length < 0 || offset > (writable ? WritableBytes : ReadableBytes) - length) return -1;
        int used = 0;
        int end = writable ? _count : _readableCount;
        for (int i = writable ? _readableCount : 0; i < end && length != 0; i++)
        {
            GuestBuffer buffer = _buffers[i];
            if (offset < buffer.Length)
            {
                long take = Math.Min(length, buffer.Length - offset);
                segments[used++] = new IoSegment(buffer.HostAddress + (nint)offset, (nint)take);
                length -= take;
                offset = 0;
            }
            else
            {
                offset -= buffer.Length;
            }
        }
        return used;
    }

    /// <summary>Gives the pages of the writable part back to the host.</summary>
    internal void ReleaseWritable()
    {
        for (int i = _readableCount; i < _count; i++) _buffers[i].Release();
    }

    /// <summary>Says that the host wrote [offset, offset + length) of the writable part.</summary>
    internal void MarkWritten(long offset, long length)
    {
        for (int i = _readableCount; i < _count && length > 0; i++)
        {
            GuestBuffer buffer = _buffers[i];
            if (offset < buffer.Length)
            {
                int take = (int)Math.Min(length, buffer.Length - offset);
                buffer.MarkWritten((int)offset, take);
                length -= take;
                offset = 0;
            }
            else
            {
                offset -= buffer.Length;
            }
        }
    }
}
