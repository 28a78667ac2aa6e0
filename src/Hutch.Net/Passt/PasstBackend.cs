using System;
using System.IO;
using System.Runtime.InteropServices;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Host.Networks;
using Hutch.Net.Packets;

namespace Hutch.Net.Passt;

/// <summary>A process like passt that is the network, behind a UNIX stream socket. When it ends, the card is alone; the machine goes on.</summary>
internal sealed class PasstBackend : INetBackend, INetQueue
{
    private readonly FrameStream _stream;
    private readonly string _path;
    private INetBuffers? _buffers;

    private PasstBackend(FrameStream stream, string path) => (_stream, _path) = (stream, path);

    /// <inheritdoc/>
    public string Description => $"the process behind {_path}";

    /// <inheritdoc/>
    public int MostQueues => 1;

    /// <inheritdoc/>
    public int MtuBytes => 0;

    /// <summary>Checksums are completed here, which costs less than in the guest.</summary>
    public NetOffloads Offloads => NetOffloads.TransmitChecksum;

    /// <summary>Connects. Throws <see cref="NetException"/>.</summary>
    internal static PasstBackend Open(string path)
    {
        try
        {
            return new PasstBackend(FrameStream.Connect(path, PacketOffload.LongestFrame), path);
        }
        catch (Exception refused) when (refused is LinuxException or IOException)
        {
            string cause = refused is LinuxException call ? Marshal.GetPInvokeErrorMessage(call.Errno) : refused.Message.TrimEnd('.');
            throw new NetException($"No network process answers at {path} ({cause}); start one, for example 'passt --socket {path}'.", refused);
        }
    }

    /// <inheritdoc/>
    public INetQueue OpenQueue(int index, INetBuffers buffers)
    {
        _buffers = buffers;
        return this;
    }

    /// <inheritdoc/>
    public void Configure(NetOffloads used, int queues) { }

    /// <inheritdoc/>
    public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame)
    {
        if (_stream.IsEnded) return true;
        Span<byte> room = _stream.Outgoing;
        if (room.IsEmpty) return false;
        _stream.Send(FrameSegments.Gather(frame, offload, room));
        return true;
    }

    /// <inheritdoc/>
    public bool Receive(int most)
    {
        for (; most != 0 && _stream.TryPeek(out ReadOnlySpan<byte> frame); most--)
        {
            if (!_buffers!.TryDeliver(default, frame)) return false;
            _stream.Take();
        }
        return most == 0;
    }

    /// <inheritdoc/>
    public void Wait(EventFd wake, NetWait wanted, int timeoutMs) =>
        _stream.Wait(wake, (wanted & NetWait.Receive) != 0, (wanted & NetWait.Transmit) != 0, timeoutMs);

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();
}
