using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using Hutch.Host.Sockets;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>
/// The other side of a vhost-user connection (QEMU docs/interop/vhost-user) in this process: it answers while the machine is built, and then whoever has it serves the rings by hand. One
/// thread at a time.
/// </summary>
internal class VhostPeer : ILocalStream, ILocalStreams
{
    private const int HeaderBytes = 12, ConfigHeaderBytes = 12;
    private const uint IsReply = 4, NeedReply = 8;
    private const ulong Version1 = 1UL << 32, ProtocolFeatures = 1UL << 30, MultipleQueues = 1, ReplyAcknowledge = 8;

    private readonly Queue<byte> _answers = [];
    private SafeFileHandle? _memory;
    private ulong _memoryStart;

    /// <summary>What it says that its device can do.</summary>
    internal ulong Features { get; init; } = Version1 | ProtocolFeatures;

    /// <summary>What it says that its protocol can do.</summary>
    internal ulong Protocol { get; init; } = MultipleQueues | ReplyAcknowledge;

    /// <summary>Its configuration space.</summary>
    internal byte[] Config { get; init; } = [];

    /// <summary>Its queues.</summary>
    internal int QueueCount { get; init; } = 2;

    /// <summary>Makes another answer, as bytes, of a request's number and the usual one; null is none.</summary>
    internal Func<uint, byte[]?, byte[]?>? Answer { get; init; }

    /// <summary>Numbers of the requests that it got.</summary>
    internal List<uint> Requests { get; } = [];

    /// <summary>The rings that were set up.</summary>
    internal Dictionary<int, VhostPeerRing> Rings { get; } = [];

    /// <summary>Features that were accepted.</summary>
    internal ulong Accepted { get; private set; }

    /// <summary>Bytes of the memory that it was shown.</summary>
    internal long MemoryBytes { get; private set; }

    /// <summary>The machine has closed the connection.</summary>
    internal bool IsClosed { get; private set; }

    /// <summary>It has left.</summary>
    internal bool HasLeft { get; set; }

    /// <inheritdoc/>
    public int Descriptor => -1;

    /// <inheritdoc/>
    public bool IsPeerGone => HasLeft;

    /// <inheritdoc/>
    public ILocalStreamListener Listen(string path) => throw new NotSupportedException();

    /// <inheritdoc/>
    public ILocalStream? TryConnect(string path) => this;

    /// <inheritdoc/>
    public virtual int Receive(Span<byte> destination)
    {
        int count = 0;
        while (count < destination.Length && _answers.TryDequeue(out byte one)) destination[count++] = one;
        return count != 0 ? count : HasLeft ? 0 : -1;
    }

    /// <inheritdoc/>
    public int Send(ReadOnlySpan<byte> source) => Send(source, []);

    /// <inheritdoc/>
    public int Send(ReadOnlySpan<byte> source, ReadOnlySpan<int> descriptors)
    {
        if (HasLeft) return -1;
        uint request = BinaryPrimitives.ReadUInt32LittleEndian(source), flags = BinaryPrimitives.ReadUInt32LittleEndian(source[4..]);
        Requests.Add(request);
        byte[]? value = Carry(request, source[HeaderBytes..], descriptors);
        if (value is null && (flags & NeedReply) != 0) value = new byte[sizeof(ulong)];
        byte[]? answer = value is null ? null : Message(request, value);
        foreach (byte one in (Answer is null ? answer : Answer(request, answer)) ?? []) _answers.Enqueue(one);
        return source.Length;
    }

    /// <inheritdoc/>
    public bool WaitToReceive(int timeoutMs) => _answers.Count != 0 || HasLeft;

    /// <inheritdoc/>
    public void EndSending() { }

    /// <inheritdoc/>
    public void Dispose()
    {
        IsClosed = true;
        _memory?.Dispose();
        foreach (VhostPeerRing ring in Rings.Values) ring.Dispose();
    }

    /// <summary>An answer to a request.</summary>
    internal static byte[] Message(uint request, byte[] value)
    {
        byte[] message = new byte[HeaderBytes + value.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(message, request);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(4), 1 | IsReply);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(8), value.Length);
        value.CopyTo(message, HeaderBytes);
        return message;
    }

    /// <summary>Says something that nobody asked for.</summary>
    internal void Say(byte one) => _answers.Enqueue(one);

    /// <summary>Takes the next chain of a ring; false when there is none.</summary>
    internal bool TryTake(int queue, out ushort head)
    {
        VhostPeerRing ring = Rings[queue];
        head = 0;
        if ((ushort)Load(ring.Available + 2, 2) == ring.NextAvailable) return false;
        head = (ushort)Load(ring.Available + 4 + (2UL * (ulong)(ring.NextAvailable % ring.Size)), 2);
        ring.NextAvailable++;
        return true;
    }

    /// <summary>The buffers of a chain.</summary>
    internal List<(ulong Address, int Length, bool IsWritable)> Chain(int queue, ushort head)
    {
        List<(ulong, int, bool)> buffers = [];
        for (int index = head; ;)
        {
            ulong at = Rings[queue].Descriptors + (16UL * (ulong)index);
            int flags = (int)Load(at + 12, 2);
            buffers.Add((Load(at, 8), (int)Load(at + 8, 4), (flags & 2) != 0));
            if ((flags & 1) == 0) return buffers;
            index = (int)Load(at + 14, 2);
        }
    }

    /// <summary>Says that a chain is done; anything may be said.</summary>
    internal void Use(int queue, uint id, uint length)
    {
        VhostPeerRing ring = Rings[queue];
        ulong at = ring.Used + 4 + (8UL * (ulong)(ring.NextUsed % ring.Size));
        Store(at, ((ulong)length << 32) | id, 8);
        SetUsed(queue, (ushort)(ring.NextUsed + 1));
    }

    /// <summary>Says how many chains are done.</summary>
    internal void SetUsed(int queue, ushort index)
    {
        Rings[queue].NextUsed = index;
        Store(Rings[queue].Used + 2, index, 2);
    }

    /// <summary>Reads its memory.</summary>
    internal byte[] Read(ulong address, int length)
    {
        byte[] data = new byte[length];
        RandomAccess.Read(_memory!, data, (long)(address - _memoryStart));
        return data;
    }

    /// <summary>Writes it.</summary>
    internal void Write(ulong address, ReadOnlySpan<byte> data) => RandomAccess.Write(_memory!, data, (long)(address - _memoryStart));

    private ulong Load(ulong address, int width)
    {
        Span<byte> data = stackalloc byte[sizeof(ulong)];
        Read(address, width).CopyTo(data);
        return BinaryPrimitives.ReadUInt64LittleEndian(data);
    }

    private void Store(ulong address, ulong value, int width)
    {
        Span<byte> data = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(data, value);
        Write(address, data[..width]);
    }

    // The payload of an answer; null: there is none.
    private byte[]? Carry(uint request, ReadOnlySpan<byte> payload, ReadOnlySpan<int> descriptors)
    {
        int index = payload.Length >= 4 ? BinaryPrimitives.ReadInt32LittleEndian(payload) : 0;
        switch (request)
        {
            case 1: return BitConverter.GetBytes(Features);
            case 2: Accepted = BinaryPrimitives.ReadUInt64LittleEndian(payload); break;
            case 5:
                MemoryBytes = BinaryPrimitives.ReadInt64LittleEndian(payload[16..]);
                _memoryStart = BinaryPrimitives.ReadUInt64LittleEndian(payload[24..]);
                _memory = File.OpenHandle(PathOf(descriptors[0]), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
                break;
            case 8: Ring(index).Size = BinaryPrimitives.ReadInt32LittleEndian(payload[4..]); break;
            case 9:
                Ring(index).Descriptors = BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]);
                Ring(index).Used = BinaryPrimitives.ReadUInt64LittleEndian(payload[16..]);
                Ring(index).Available = BinaryPrimitives.ReadUInt64LittleEndian(payload[24..]);
                break;
            case 12: Ring(index).Kick = OpenPipe(descriptors[0], FileAccess.Read); break;
            case 13: Ring(index).Call = OpenPipe(descriptors[0], FileAccess.Write); break;
            case 15: return BitConverter.GetBytes(Protocol);
            case 17: return BitConverter.GetBytes((ulong)QueueCount);
            case 24: return [.. payload[..ConfigHeaderBytes], .. Config];
            case 18: Ring(index).IsEnabled = BinaryPrimitives.ReadInt32LittleEndian(payload[4..]) == 1; break;
        }
        return null;
    }

    private VhostPeerRing Ring(int index)
    {
        if (!Rings.TryGetValue(index, out VhostPeerRing? ring)) Rings[index] = ring = new VhostPeerRing();
        return ring;
    }

    // As another program gets a descriptor: for the same memory or pipe.
    private static string PathOf(int descriptor) => $"/proc/self/fd/{descriptor}";

    private static FileStream OpenPipe(int descriptor, FileAccess access) => new(PathOf(descriptor), FileMode.Open, access, FileShare.ReadWrite, bufferSize: 0);
}

/// <summary>A ring that a <see cref="VhostPeer"/> was given.</summary>
internal sealed class VhostPeerRing : IDisposable
{
    /// <summary>Entries.</summary>
    internal int Size { get; set; }

    /// <summary>Addresses of its parts.</summary>
    internal ulong Descriptors { get; set; }

    /// <inheritdoc cref="Descriptors"/>
    internal ulong Available { get; set; }

    /// <inheritdoc cref="Descriptors"/>
    internal ulong Used { get; set; }

    /// <summary>It is to be served.</summary>
    internal bool IsEnabled { get; set; }

    /// <summary>How far it was read and written.</summary>
    internal ushort NextAvailable { get; set; }

    /// <inheritdoc cref="NextAvailable"/>
    internal ushort NextUsed { get; set; }

    /// <summary>By which it is woken.</summary>
    internal FileStream? Kick { get; set; }

    /// <summary>By which it wakes.</summary>
    internal FileStream? Call { get; set; }

    /// <summary>Waits until it is woken.</summary>
    internal void WaitForKick()
    {
        Span<byte> count = stackalloc byte[sizeof(ulong)];
        _ = Kick!.Read(count);
    }

    /// <summary>Wakes the machine.</summary>
    internal void Wake()
    {
        Span<byte> one = stackalloc byte[sizeof(ulong)];
        one[0] = 1;
        Call!.Write(one);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Kick?.Dispose();
        Call?.Dispose();
    }
}
