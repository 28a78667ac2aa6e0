using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Net;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>A network whose other end is the test.</summary>
internal sealed class FakeNetwork(int queues = 1, int mtuBytes = 0) : INetBackend
{
    private readonly List<Queue> _opened = [];

    internal BlockingCollection<(int Queue, PacketOffload Offload, byte[] Frame)> Sent { get; } = [];

    internal (NetOffloads Used, int Queues) Configured { get; private set; }

    internal bool IsDisposed { get; private set; }

    /// <summary>Frames are refused while it is set.</summary>
    internal volatile bool IsFull;

    public string Description => "a test";

    public int MostQueues => queues;

    public int MtuBytes => mtuBytes;

    public NetOffloads Offloads { get; init; } = NetOffloads.TransmitChecksum | NetOffloads.TransmitTso4 | NetOffloads.ReceiveChecksum;

    public INetQueue OpenQueue(int index, INetBuffers buffers)
    {
        Queue queue = new(this, index, buffers);
        _opened.Add(queue);
        return queue;
    }

    public void Configure(NetOffloads used, int queues) => Configured = (used, queues);

    public void Dispose() => IsDisposed = true;

    /// <summary>A frame arrives.</summary>
    internal void Arrive(byte[] frame, int queue = 0, PacketOffload offload = default) => _opened[queue].Arrive(frame, offload);

    /// <summary>Frames that the card has not taken yet.</summary>
    internal int Waiting(int queue = 0) => _opened[queue].Waiting;

    /// <summary>Frames are taken again.</summary>
    internal void MakeRoom()
    {
        IsFull = false;
        foreach (Queue queue in _opened) queue.Wake();
    }

    /// <summary>The next frame that the guest sent.</summary>
    internal (int Queue, PacketOffload Offload, byte[] Frame) Take() =>
        Sent.TryTake(out (int, PacketOffload, byte[]) sent, TimeSpan.FromSeconds(20)) ? sent : throw new TimeoutException("The card never sent.");

    private sealed class Queue(FakeNetwork network, int index, INetBuffers buffers) : INetQueue
    {
        private readonly ConcurrentQueue<(byte[] Frame, PacketOffload Offload)> _arrived = new();
        private EventFd? _wake;

        internal int Waiting => _arrived.Count;

        public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame)
        {
            if (network.IsFull) return false;
            byte[] bytes = new byte[frame.ToArray().Sum(static segment => (int)segment.LengthBytes)];
            int done = 0;
            foreach (IoSegment segment in frame) done += segment.CopyTo(bytes.AsSpan(done));
            if (network.Sent.Count < 10_000) network.Sent.Add((index, offload, bytes));
            return true;
        }

        public bool Receive(int most)
        {
            while (_arrived.TryPeek(out (byte[] Frame, PacketOffload Offload) next))
            {
                if (!buffers.TryDeliver(next.Offload, next.Frame)) return false;
                _arrived.TryDequeue(out _);
            }
            return false;
        }

        public void Wait(EventFd wake, NetWait wanted, int timeoutMs)
        {
            Volatile.Write(ref _wake, wake);
            bool ready = (wanted & NetWait.Receive) != 0 && !_arrived.IsEmpty || (wanted & NetWait.Transmit) != 0 && !network.IsFull;
            wake.WaitForCount(ready ? 0 : timeoutMs);
        }

        internal void Arrive(byte[] frame, PacketOffload offload)
        {
            _arrived.Enqueue((frame, offload));
            Wake();
        }

        internal void Wake() => Volatile.Read(ref _wake)?.Signal();
    }
}
