using System;
using Hutch.Host.Events;
using Hutch.Host.Memory;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>How large a queue of a back end's is.</summary>
/// <param name="Entries">Entries of its ring, a power of two.</param>
/// <param name="Pages">Pages for its requests; a larger request than all of them cannot be made.</param>
internal readonly record struct BackendQueueSize(int Entries, int Pages)
{
    /// <summary>Bytes of memory that it takes, a multiple of the page size.</summary>
    internal int LengthBytes => RingBytes + (Pages * BouncePages.PageBytes);

    /// <summary>Those of the ring, which come first.</summary>
    internal int RingBytes => (BackendRing.BytesFor(Entries) + BouncePages.PageBytes - 1) & -BouncePages.PageBytes;
}

/// <summary>A ring of a back end, the memory that its requests are in, and how the two sides wake each other. Queues share nothing, so that none waits for another. One thread.</summary>
internal sealed class BackendQueue : IDisposable
{
    private readonly SharedMemory _memory;
    private readonly BouncePages _pages;
    private readonly int _firstByte;
    private readonly ulong _address;

    /// <summary>Uses zeroed memory from a page on. Throws <see cref="Hutch.Host.Linux.LinuxException"/>.</summary>
    internal BackendQueue(SharedMemory memory, int start, BackendQueueSize size, ulong baseAddress)
    {
        (_memory, _pages, _firstByte) = (memory, new BouncePages(size.Pages), start + size.RingBytes);
        _address = baseAddress + (ulong)_firstByte;
        Ring = new BackendRing(memory, start, size.Entries, baseAddress);
        Kick = WakePipe.Create("A queue of a back end");
        try
        {
            Call = WakePipe.Create("A queue of a back end");
        }
        catch
        {
            Kick.Dispose();
            throw;
        }
    }

    /// <summary>The ring.</summary>
    internal BackendRing Ring { get; }

    /// <summary>Wakes the back end.</summary>
    internal WakePipe Kick { get; }

    /// <summary>Wakes this side.</summary>
    internal WakePipe Call { get; }

    /// <summary>The most pages of a request.</summary>
    internal int MostPages => _pages.Count;

    /// <summary>Hands an arranged request to the back end; false: there is no room now, and there will be when others have come back.</summary>
    internal bool TrySubmit(BouncedRequest request)
    {
        if (!Ring.HasRoom(request.Pieces.Length)) return false;
        int first = _pages.Take(request.PageCount);
        if (first < 0) return false;
        request.FirstPage = first;
        request.CopyIn(PlaceOf(request));
        Ring.Submit(request, _address + ((ulong)first * BouncePages.PageBytes));
        return true;
    }

    /// <summary>Copies the answer of a request that came back to the guest.</summary>
    internal void CopyOut(BouncedRequest request, uint writtenBytes) => request.CopyOut(PlaceOf(request), writtenBytes);

    /// <summary>The place of a request that came back is free again.</summary>
    internal void Release(BouncedRequest request) => _pages.Give(request.FirstPage, request.PageCount);

    /// <summary>Tells the back end of what was handed to it, if it wants to hear.</summary>
    internal void Wake()
    {
        if (Ring.MustKick()) Kick.Signal();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Kick.Dispose();
        Call.Dispose();
    }

    private Span<byte> PlaceOf(BouncedRequest request) =>
        _memory.Bytes.Slice(_firstByte + (request.FirstPage * BouncePages.PageBytes), request.PageCount * BouncePages.PageBytes);
}
