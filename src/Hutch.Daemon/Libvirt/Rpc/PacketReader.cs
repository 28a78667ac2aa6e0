using System;
using System.Buffers;
using System.Buffers.Binary;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>Cuts a stream into packets. A peer that is silent holds no buffer; one that announces a long packet holds what it has sent of it. One reader at a time.</summary>
internal sealed class PacketReader(Stream stream)
{
    private readonly PipeReader _pipe = PipeReader.Create(stream, new StreamPipeReaderOptions(leaveOpen: true, useZeroByteReads: true));

    /// <summary>
    /// The next packet; null at the end of the stream. Throws <see cref="ProtocolException"/> for a length that no packet has, and <see cref="IOException"/>.
    /// </summary>
    /// <param name="longest">The longest packet that is taken, in bytes.</param>
    /// <param name="cancellation">Ends the wait.</param>
    internal async ValueTask<Packet?> ReadAsync(int longest, CancellationToken cancellation)
    {
        ReadOnlySequence<byte> waiting = await WaitForAsync(sizeof(uint), cancellation).ConfigureAwait(false);
        if (waiting.Length < sizeof(uint)) return null;
        uint length = ReadLength(waiting);
        _pipe.AdvanceTo(waiting.Start);
        if (length < PacketHeader.Bytes || length > (uint)longest) throw new ProtocolException($"a packet of {length} bytes, where {PacketHeader.Bytes} to {longest} are allowed");
        waiting = await WaitForAsync((int)length, cancellation).ConfigureAwait(false);
        if (waiting.Length < length) return null;
        byte[] packet = waiting.Slice(0, length).ToArray();
        _pipe.AdvanceTo(waiting.GetPosition(length));
        return new Packet(PacketHeader.Read(packet), packet.AsMemory(PacketHeader.Bytes));
    }

    /// <summary>Passes over bytes between packets: one comes with each file descriptor. False at the end of the stream.</summary>
    internal async ValueTask<bool> SkipAsync(int count, CancellationToken cancellation)
    {
        ReadOnlySequence<byte> waiting = await WaitForAsync(count, cancellation).ConfigureAwait(false);
        if (waiting.Length < count) return false;
        _pipe.AdvanceTo(waiting.GetPosition(count));
        return true;
    }

    // Fewer bytes than asked for: the stream has ended.
    private async ValueTask<ReadOnlySequence<byte>> WaitForAsync(int count, CancellationToken cancellation) =>
        (await _pipe.ReadAtLeastAsync(count, cancellation).ConfigureAwait(false)).Buffer;

    private static uint ReadLength(ReadOnlySequence<byte> waiting)
    {
        Span<byte> word = stackalloc byte[sizeof(uint)];
        waiting.Slice(0, sizeof(uint)).CopyTo(word);
        return BinaryPrimitives.ReadUInt32BigEndian(word);
    }
}
