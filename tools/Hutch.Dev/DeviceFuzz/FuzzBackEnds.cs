using System;
using System.Collections.Concurrent;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Net;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A disk in memory whose requests complete at once, later on another thread in any order, or, from when they depend on luck, not well.</summary>
internal sealed class FuzzDisk(int seed, FuzzReach reach, Func<bool> hasLuck) : BlockNode
{
    private const int Eio = 5, Enospc = 28;

    private readonly MemoryNode _memory = new(1 << 20, grows: false);
    private readonly Random _random = new(seed);

    /// <inheritdoc/>
    public override long LengthBytes => _memory.LengthBytes;

    /// <inheritdoc/>
    public override BlockLimits Limits => _memory.Limits;

    /// <inheritdoc/>
    public override string Filename => "fuzz:";

    /// <inheritdoc/>
    public override ValueTask ReadAsync(long offset, IoVector destination, CancellationToken cancellation) => AnswerAsync(() => _memory.ReadAsync(offset, destination, cancellation));

    /// <inheritdoc/>
    public override ValueTask WriteAsync(long offset, IoVector source, WriteFlags flags, CancellationToken cancellation) => AnswerAsync(() => _memory.WriteAsync(offset, source, flags, cancellation));

    /// <inheritdoc/>
    public override ValueTask WriteZeroesAsync(long offset, long lengthBytes, WriteFlags flags, CancellationToken cancellation) =>
        AnswerAsync(() => _memory.WriteZeroesAsync(offset, lengthBytes, flags, cancellation));

    /// <inheritdoc/>
    public override ValueTask DiscardAsync(long offset, long lengthBytes, CancellationToken cancellation) => AnswerAsync(() => _memory.DiscardAsync(offset, lengthBytes, cancellation));

    /// <inheritdoc/>
    public override ValueTask FlushAsync(CancellationToken cancellation) => AnswerAsync(() => _memory.FlushAsync(cancellation), mayFail: false);

    /// <inheritdoc/>
    public override ValueTask<BlockExtent> GetExtentAsync(long offset, long lengthBytes, CancellationToken cancellation) => _memory.GetExtentAsync(offset, lengthBytes, cancellation);

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private async ValueTask AnswerAsync(Func<ValueTask> request, bool mayFail = true)
    {
        reach.Disk();
        int luck;
        lock (_random) luck = _random.Next(64);
        if (luck >= 32) await Task.Yield();
        if (luck < 2 && mayFail && hasLuck()) throw new BlockIoException("No luck.", luck == 0 ? Eio : Enospc);
        await request();
    }
}

/// <summary>A character back end that takes everything and says what the story types.</summary>
internal sealed class FuzzChannel(FuzzReach reach) : ICharacterChannel
{
    private ReceiveBytes? _receive;

    /// <summary>Something is typed; what the device has no room for is lost.</summary>
    internal void Type(ReadOnlySpan<byte> bytes)
    {
        if (_receive?.Invoke(bytes) > 0) reach.In();
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data) => reach.Out();

    /// <inheritdoc/>
    public void StartInput(ReceiveBytes receive) => _receive = receive;

    /// <inheritdoc/>
    public void ResumeInput() { }

    /// <inheritdoc/>
    public void Dispose() { }
}

/// <summary>A network that takes most frames, and from which come those of the story.</summary>
internal sealed class FuzzNetwork(FuzzReach reach) : INetBackend
{
    private const int MostWaiting = 64;

    private readonly Queue?[] _queues = new Queue?[4];
    private int _sent;

    /// <inheritdoc/>
    public string Description => "a story";

    /// <inheritdoc/>
    public int MostQueues => _queues.Length;

    /// <inheritdoc/>
    public int MtuBytes => 0;

    /// <inheritdoc/>
    public NetOffloads Offloads => NetOffloads.TransmitChecksum | NetOffloads.TransmitTso4 | NetOffloads.TransmitTso6 | NetOffloads.ReceiveChecksum;

    /// <inheritdoc/>
    public INetQueue OpenQueue(int index, INetBuffers buffers) => _queues[index] = new Queue(this, reach, buffers);

    /// <inheritdoc/>
    public void Configure(NetOffloads used, int queues) { }

    /// <inheritdoc/>
    public void Dispose() { }

    /// <summary>A frame arrives.</summary>
    internal void Arrive(byte[] frame, int queue) => _queues[queue]?.Arrive(frame);

    private sealed class Queue(FuzzNetwork network, FuzzReach reach, INetBuffers buffers) : INetQueue
    {
        private readonly ConcurrentQueue<byte[]> _arrived = new();
        private EventFd? _wake;

        // Now and then there is no room.
        public bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame)
        {
            reach.Out();
            return Interlocked.Increment(ref network._sent) % 16 != 0;
        }

        public bool Receive(int most)
        {
            while (_arrived.TryPeek(out byte[]? frame))
            {
                if (!buffers.TryDeliver(default, frame)) return false;
                reach.In();
                _arrived.TryDequeue(out _);
            }
            return false;
        }

        public void Wait(EventFd wake, NetWait wanted, int timeoutMs)
        {
            Volatile.Write(ref _wake, wake);
            bool isReady = (wanted & NetWait.Receive) != 0 && !_arrived.IsEmpty || (wanted & NetWait.Transmit) != 0;
            wake.WaitForCount(isReady ? 0 : timeoutMs);
        }

        internal void Arrive(byte[] frame)
        {
            if (_arrived.Count < MostWaiting) _arrived.Enqueue(frame);
            Volatile.Read(ref _wake)?.Signal();
        }
    }
}
