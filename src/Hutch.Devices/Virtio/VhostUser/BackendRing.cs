using System;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Memory;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>What <see cref="BackendRing.TryTake"/> found.</summary>
internal enum BackendAnswer
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>A request came back.</summary>
    Taken,

    /// <summary>The back end broke the rules; nothing of the ring makes sense any more.</summary>
    Broken,
}

/// <summary>
/// The driver's side of a split virtqueue (virtio 1.2 §2.7) in memory that a back end shares. What is needed later is kept here: nothing that the back end could have
/// changed is read but its own ring of used buffers, each value of it once. One thread.
/// </summary>
internal sealed class BackendRing
{
    private const int DescriptorBytes = Descriptor.Bytes, UsedElementBytes = 8, RingHeaderBytes = 4, Line = 64;
    private const ushort UsedNoNotify = 1;

    private readonly SharedMemory _memory;
    private readonly int _start;
    private readonly BouncedRequest?[] _inFlight;
    private readonly ushort[] _next;
    private ushort _firstFree, _available, _used;
    private int _free, _count;

    /// <summary>Uses zeroed memory from a page on; its addresses are <paramref name="baseAddress"/> and more.</summary>
    internal BackendRing(SharedMemory memory, int start, int size, ulong baseAddress)
    {
        (_memory, _start, Size, _free) = (memory, start, size, size);
        DescriptorTable = baseAddress + (ulong)start;
        AvailableRing = DescriptorTable + (ulong)AvailableOffset(size);
        UsedRing = DescriptorTable + (ulong)UsedOffset(size);
        _inFlight = new BouncedRequest?[size];
        _next = new ushort[size];
        for (int i = 0; i < size; i++) _next[i] = (ushort)(i + 1);
    }

    /// <summary>Entries, a power of two.</summary>
    internal int Size { get; }

    /// <summary>Address of the descriptor table.</summary>
    internal ulong DescriptorTable { get; }

    /// <summary>Address of the ring of available buffers.</summary>
    internal ulong AvailableRing { get; }

    /// <summary>Address of the ring of used buffers.</summary>
    internal ulong UsedRing { get; }

    /// <summary>Requests that the back end has.</summary>
    internal int Count => _count;

    /// <summary>Bytes of a ring of so many entries.</summary>
    internal static int BytesFor(int size) => UsedOffset(size) + RingHeaderBytes + (UsedElementBytes * size) + 2;

    /// <summary>There are descriptors for so many pieces.</summary>
    internal bool HasRoom(int pieces) => pieces <= _free;

    /// <summary>Hands a request, for which there is room, to the back end; <see cref="MustKick"/> says whether it wants to hear of it.</summary>
    /// <param name="request">The request, whose bytes are in their place.</param>
    /// <param name="address">Address of the place.</param>
    internal void Submit(BouncedRequest request, ulong address)
    {
        ushort head = _firstFree, index = head;
        ReadOnlySpan<BouncedPiece> pieces = request.Pieces;
        for (int i = 0; i < pieces.Length; i++)
        {
            bool isLast = i + 1 == pieces.Length;
            ushort next = _next[index];
            Descriptor descriptor = new(address + (uint)pieces[i].Offset, (uint)pieces[i].Length,
                (ushort)((pieces[i].IsWritable ? Descriptor.FlagWrite : 0) | (isLast ? 0 : Descriptor.FlagNext)), isLast ? (ushort)0 : next);
            MemoryMarshal.Write(_memory.Bytes[(_start + (DescriptorBytes * index))..], descriptor);
            if (isLast) _firstFree = next;
            index = next;
        }
        _free -= pieces.Length;
        _inFlight[head] = request;
        _count++;
        At<ushort>(AvailableOffset(Size) + RingHeaderBytes + (2 * (_available & (Size - 1)))) = head;
        // The entry must be visible before the index that announces it.
        Volatile.WriteBarrier();
        _available++;
        Volatile.Write(ref At<ushort>(AvailableOffset(Size) + 2), _available);
    }

    /// <summary>The back end wants to be woken for what was handed to it (virtio 1.2 §2.7.10).</summary>
    internal bool MustKick()
    {
        // The index must be visible before the flags are read: the back end does the two in the other order.
        Interlocked.MemoryBarrier();
        return (Volatile.Read(ref At<ushort>(UsedOffset(Size))) & UsedNoNotify) == 0;
    }

    /// <summary>Takes a request that the back end has done.</summary>
    /// <param name="request">The request; valid where one was taken.</param>
    /// <param name="writtenBytes">How many bytes of its writable part are written, at most all of them.</param>
    internal BackendAnswer TryTake(out BouncedRequest request, out uint writtenBytes)
    {
        (request, writtenBytes) = (null!, 0);
        ushort waiting = (ushort)(Volatile.Read(ref At<ushort>(UsedOffset(Size) + 2)) - _used);
        if (waiting == 0) return BackendAnswer.None;
        if (waiting > _count) return BackendAnswer.Broken;
        // Pairs with the back end's barrier between the element and the index.
        Volatile.ReadBarrier();
        int element = UsedOffset(Size) + RingHeaderBytes + (UsedElementBytes * (_used & (Size - 1)));
        uint head = Volatile.Read(ref At<uint>(element));
        writtenBytes = Volatile.Read(ref At<uint>(element + sizeof(uint)));
        if (head >= (uint)Size || _inFlight[head] is not BouncedRequest done || writtenBytes > done.Chain.WritableBytes) return BackendAnswer.Broken;
        _used++;
        Release((ushort)head, done.Pieces.Length);
        request = done;
        return BackendAnswer.Taken;
    }

    /// <summary>Takes a request away from a back end that is gone; null: it has none.</summary>
    internal BouncedRequest? TakeAny()
    {
        for (int head = 0; _count != 0; head++)
        {
            if (_inFlight[head] is not BouncedRequest request) continue;
            Release((ushort)head, request.Pieces.Length);
            return request;
        }
        return null;
    }

    /// <summary>The driver does not wait any more for what is at the back end.</summary>
    internal void Forget()
    {
        foreach (BouncedRequest? request in _inFlight)
            if (request is not null) request.IsForgotten = true;
    }

    private static int AvailableOffset(int size) => DescriptorBytes * size;

    // The back end writes this part; it has cache lines of its own.
    private static int UsedOffset(int size) => (AvailableOffset(size) + RingHeaderBytes + (2 * size) + 2 + Line - 1) & -Line;

    private void Release(ushort head, int pieces)
    {
        ushort last = head;
        for (int i = 1; i < pieces; i++) last = _next[last];
        _next[last] = _firstFree;
        _firstFree = head;
        _free += pieces;
        _inFlight[head] = null;
        _count--;
    }

    private ref T At<T>(int offset) where T : struct => ref MemoryMarshal.AsRef<T>(_memory.Bytes[(_start + offset)..]);
}
