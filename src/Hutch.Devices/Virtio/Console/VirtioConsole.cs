using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Events;

namespace Hutch.Devices.Virtio.Console;

/// <summary>
/// The console device with one port (virtio 1.2 §5.3). Input waits in a small buffer until the driver offers room; when that is full, the
/// channel keeps the rest, so that a slow guest loses nothing.
/// </summary>
internal sealed class VirtioConsole : VirtioDevice
{
    private const ushort ConsoleType = 3;
    private const int QueueEntries = 64;
    private const int ReceiveQueue = 0, TransmitQueue = 1;
    private const int InputBytes = 4096;
    private const long PatientBytes = 1 << 20;

    private readonly ICharacterChannel _channel;
    private readonly Lock _inputLock = new();
    private readonly byte[] _input = new byte[InputBytes];
    private readonly byte[] _scratch = new byte[InputBytes];
    private int _inputCount;
    private bool _inputRefused;
    private bool _inputStarted;

    /// <summary>Makes the device and owns <paramref name="channel"/>.</summary>
    internal VirtioConsole(string name, GuestMemory memory, ICharacterChannel channel)
        : base(name, ConsoleType, memory, QueueEntries, QueueEntries) => _channel = channel;

    /// <inheritdoc/>
    internal override uint PciClass => 0x078000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => 0;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        // cols, rows, max_nr_ports, emerg_wr (§5.3.4): without the features that announce them only the number of ports says something.
        Span<byte> config = stackalloc byte[12];
        config.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(config[4..], 1);
        CopyConfig(config, offset, data);
    }

    /// <inheritdoc/>
    internal override void Start()
    {
        base.Start();
        if (_inputStarted) return;
        _inputStarted = true;
        _channel.StartInput(Receive);
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        // A driver that is loaded again still gets what was typed; a machine that starts again does not.
        if (!machineReset) return;
        bool resume;
        lock (_inputLock)
        {
            _inputCount = 0;
            resume = _inputRefused;
            _inputRefused = false;
        }
        if (resume) _channel.ResumeInput();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        lock (_inputLock)
        {
            byte[] waiting = fields.Blob("input", _input.AsSpan(0, _inputCount).ToArray(), InputBytes);
            waiting.CopyTo(_input, 0);
            _inputCount = waiting.Length;
        }
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        Transmit();
        Deliver();
    }

    /// <inheritdoc/>
    private protected override void DisposeBackend() => _channel.Dispose();

    private int Receive(ReadOnlySpan<byte> data)
    {
        int taken;
        lock (_inputLock)
        {
            taken = Math.Min(data.Length, InputBytes - _inputCount);
            data[..taken].CopyTo(_input.AsSpan(_inputCount));
            _inputCount += taken;
            _inputRefused = taken < data.Length;
        }
        if (taken != 0) Kick(ReceiveQueue);
        return taken;
    }

    private void Transmit()
    {
        VirtQueue queue = Queues[TransmitQueue];
        do
        {
            queue.DisableNotifications();
            while (!ShouldYield && TryPop(queue))
            {
                Send();
                queue.PushUsed(Chain.Head, 0);
            }
            InterruptIfWanted(TransmitQueue);
        }
        while (!ShouldYield && queue.EnableNotifications());
    }

    private void Send()
    {
        for (long done = 0; done < Chain.ReadableBytes;)
        {
            // A guest can describe gigabytes in one chain; such a one is cut short when the machine stops or resets.
            if (done >= PatientBytes && ShouldYield) return;
            Span<byte> part = _scratch.AsSpan(0, (int)Math.Min(_scratch.Length, Chain.ReadableBytes - done));
            _ = Chain.TryRead(done, part);
            _channel.Write(part);
            done += part.Length;
        }
    }

    private void Deliver()
    {
        VirtQueue queue = Queues[ReceiveQueue];
        while (!ShouldYield)
        {
            int waiting = Volatile.Read(ref _inputCount);
            if (waiting == 0)
            {
                // Nothing to say: no notification is wanted for new buffers.
                queue.DisableNotifications();
                return;
            }
            if (!TryPop(queue))
            {
                InterruptIfWanted(ReceiveQueue);
                if (!queue.EnableNotifications()) return;
                continue;
            }
            queue.PushUsed(Chain.Head, TakeInput());
            InterruptIfWanted(ReceiveQueue);
        }
    }

    private uint TakeInput()
    {
        int count;
        bool resume;
        lock (_inputLock)
        {
            count = (int)Math.Min(_inputCount, Chain.WritableBytes);
            _input.AsSpan(0, count).CopyTo(_scratch);
            _input.AsSpan(count, _inputCount - count).CopyTo(_input);
            _inputCount -= count;
            resume = _inputRefused && count != 0;
            if (resume) _inputRefused = false;
        }
        _ = Chain.TryWrite(0, _scratch.AsSpan(0, count));
        if (resume) _channel.ResumeInput();
        return (uint)count;
    }
}
