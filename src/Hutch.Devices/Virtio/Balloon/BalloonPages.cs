using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Devices.Virtio.Queue;
using static Hutch.Devices.Virtio.Balloon.VirtioBalloonRegisters;

namespace Hutch.Devices.Virtio.Balloon;

/// <summary>Reads the page numbers of a request and gives the pages back to the host, neighbours together.</summary>
internal sealed class BalloonPages(GuestMemory memory)
{
    // Drivers send 256 at a time. What is more than this stays with the guest, which the device may do (§5.5.6.1).
    private const int MostPages = 16384;

    private readonly byte[] _entries = new byte[1024];
    private ulong _start, _end;

    /// <summary>Releases what a chain names. Numbers that are no RAM mean nothing.</summary>
    internal void Release(DescriptorChain chain)
    {
        long length = Math.Min(chain.ReadableBytes, MostPages * EntryBytes) / EntryBytes * EntryBytes;
        for (long at = 0; at < length; at += _entries.Length)
        {
            Span<byte> entries = _entries.AsSpan(0, (int)Math.Min(_entries.Length, length - at));
            if (!chain.TryRead(at, entries)) break;
            for (; entries.Length != 0; entries = entries[EntryBytes..]) Add((ulong)BinaryPrimitives.ReadUInt32LittleEndian(entries) * PageBytes);
        }
        ReleaseRun();
    }

    // A driver's pages go up or down one by one where its memory is not in pieces.
    private void Add(ulong page)
    {
        if (_end != _start && page == _end) _end += PageBytes;
        else if (_end != _start && page + PageBytes == _start) _start = page;
        else
        {
            ReleaseRun();
            (_start, _end) = (page, page + PageBytes);
        }
    }

    private void ReleaseRun()
    {
        if (_end != _start && !memory.TryRelease(_start, _end - _start))
            for (; _start != _end; _start += PageBytes) _ = memory.TryRelease(_start, PageBytes);
        _start = _end = 0;
    }
}
