using System;
using System.Threading;
using Hutch.Host.Sockets;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>Sockets of the host whose other ends do as luck has it: come, say something, have no room, leave. A device sees it when it looks for another reason.</summary>
internal sealed class FuzzStreams(int seed, FuzzReach reach) : ILocalStreams
{
    /// <summary>Where back ends for vhost-user listen.</summary>
    internal const string VhostPath = "/vhost", VhostDiskPath = "/vhost-disk";

    private const int DiskConfigBytes = 60;

    private readonly Random _random = new(seed);
    private readonly Lock _lock = new();

    /// <inheritdoc/>
    public ILocalStreamListener Listen(string path) => new Listener(this);

    /// <inheritdoc/>
    public ILocalStream? TryConnect(string path) => path switch
    {
        VhostPath => new FuzzVhostPeer(Luck, reach),
        VhostDiskPath => new FuzzVhostPeer(Luck, reach) { QueueCount = 1, Features = ulong.MaxValue, Protocol = ulong.MaxValue, Config = new byte[DiskConfigBytes] },
        _ => Luck(3) == 0 ? null : new Stream(this),
    };

    private int Luck(int most)
    {
        lock (_lock) return _random.Next(most);
    }

    private void Fill(Span<byte> bytes)
    {
        lock (_lock) _random.NextBytes(bytes);
    }

    private sealed class Listener(FuzzStreams streams) : ILocalStreamListener
    {
        public int Descriptor => -1;

        public ILocalStream? TryAccept() => streams.Luck(4) == 0 ? new Stream(streams) : null;

        public void Dispose() { }
    }

    private sealed class Stream(FuzzStreams streams) : ILocalStream
    {
        private bool _left;

        public int Descriptor => -1;

        public bool IsPeerGone => _left |= streams.Luck(64) == 0;

        public int Receive(Span<byte> destination)
        {
            if (_left || streams.Luck(32) == 0) return 0;
            if (streams.Luck(2) == 0) return -1;
            streams.Reach.In();
            int count = Math.Min(destination.Length, 1 + streams.Luck(6000));
            if (streams.Luck(2) == 0) streams.Fill(destination[..count]);
            else Greet(destination[..count]);
            return count;
        }

        public int Send(ReadOnlySpan<byte> source)
        {
            if (_left) return -1;
            streams.Reach.Out();
            return streams.Luck(4) == 0 ? 0 : 1 + streams.Luck(source.Length);
        }

        public int Send(ReadOnlySpan<byte> source, ReadOnlySpan<int> descriptors) => Send(source);

        public bool WaitToReceive(int timeoutMs) => true;

        public void EndSending() { }

        public void Dispose() { }

        // What is said first on a vsock's socket.
        private static void Greet(Span<byte> bytes)
        {
            bytes.Fill((byte)'\n');
            ReadOnlySpan<byte> greeting = "CONNECT 52\n"u8;
            greeting[..Math.Min(greeting.Length, bytes.Length)].CopyTo(bytes);
        }
    }

    private FuzzReach Reach => reach;
}
