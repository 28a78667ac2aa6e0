using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Model.Control;
using static Hutch.Devices.Virtio.Mem.VirtioMemRegisters;

namespace Hutch.Devices.Virtio.Mem;

/// <summary>
/// Memory that is plugged in while the guest runs (virtio 1.2 §5.15): the device says how much the guest is to have, the guest chooses the blocks of a region and plugs and unplugs them.
/// Memory of unplugged blocks is the host's. A guest that touches it all the same gets memory, within the region and for itself alone, as if it had not given it up.
/// </summary>
internal sealed class VirtioMem : VirtioDevice, IPluggableMemory
{
    /// <summary>Bytes of a block. Guests plug in by as much as their largest free pages: 4 MiB in Linux until 6.3, and they leave what is less.</summary>
    internal const ulong BlockBytes = 4 << 20;

    private const int QueueEntries = 64, RequestQueue = 0;

    private readonly GuestMemory _memory;
    private readonly BlockMap _blocks;
    private ulong _requested;

    internal VirtioMem(string name, GuestMemory memory) : base(name, VirtioMemRegisters.DeviceType, memory, QueueEntries)
    {
        _memory = memory;
        _blocks = new BlockMap(checked((int)(memory.PluggableBytes / BlockBytes)));
    }

    /// <inheritdoc/>
    internal override uint PciClass => 0x00ff00;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => FeatureUnpluggedInaccessible;

    /// <inheritdoc/>
    public bool HasDriver => IsDriverOk;

    private ulong Requested => Volatile.Read(ref _requested);

    private ulong PluggedBytes => (ulong)_blocks.PluggedCount * BlockBytes;

    /// <inheritdoc/>
    public PluggableMemoryInfo Look() => new(Requested, PluggedBytes, _memory.PluggableBytes);

    /// <inheritdoc/>
    public void SetTarget(ulong bytes)
    {
        bytes = (Math.Min(bytes, _memory.PluggableBytes) + (BlockBytes - 1)) & ~(BlockBytes - 1);
        bool isNew = Interlocked.Exchange(ref _requested, bytes) != bytes;
        // A driver that could not follow waits ever longer before it tries again; told once more, it tries now.
        if ((isNew || bytes != PluggedBytes) && IsDriverOk) Transport.InterruptConfig();
    }

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[ConfigBytes];
        config.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(config[BlockSize..], BlockBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(config[Address..], _memory.PluggableStart);
        BinaryPrimitives.WriteUInt64LittleEndian(config[RegionSize..], _memory.PluggableBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(config[UsableSize..], _memory.PluggableBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(config[PluggedSize..], PluggedBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(config[RequestedSize..], Requested);
        CopyConfig(config, offset, data);
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        VirtQueue queue = Queues[RequestQueue];
        do
        {
            queue.DisableNotifications();
            while (!ShouldYield && TryPop(queue)) queue.PushUsed(Chain.Head, Answer());
            InterruptIfWanted(RequestQueue);
        }
        while (!ShouldYield && queue.EnableNotifications());
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        // A driver that begins anew finds its memory plugged in (§5.15.5); only a machine that begins anew has none, and its memory is cleared as a whole.
        if (machineReset) _blocks.Clear();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        fields.Value("requested", ref _requested);
        fields.Require(_requested <= _memory.PluggableBytes && _requested % BlockBytes == 0, "requested");
        _blocks.Exchange(fields, "plugged");
    }

    // Bytes written.
    private uint Answer()
    {
        Span<byte> request = stackalloc byte[RequestBytes], response = stackalloc byte[ResponseBytes];
        response.Clear();
        ushort answer = Chain.TryRead(0, request) ? Execute(request, response) : Error;
        BinaryPrimitives.WriteUInt16LittleEndian(response, answer);
        int length = (int)Math.Min(Chain.WritableBytes, ResponseBytes);
        return Chain.TryWrite(0, response[..length]) ? (uint)length : 0;
    }

    private ushort Execute(ReadOnlySpan<byte> request, Span<byte> response)
    {
        ushort type = BinaryPrimitives.ReadUInt16LittleEndian(request);
        if (type == UnplugAll)
        {
            for (int block = 0; block < _blocks.Count; block++)
                if (_blocks[block]) Release(block, 1);
            return Acknowledged;
        }
        ulong offset = BinaryPrimitives.ReadUInt64LittleEndian(request[RequestAddress..]) - _memory.PluggableStart;
        int length = BinaryPrimitives.ReadUInt16LittleEndian(request[RequestBlocks..]);
        if (offset % BlockBytes != 0 || offset / BlockBytes >= (ulong)_blocks.Count || length == 0 || length > _blocks.Count - (int)(offset / BlockBytes)) return Error;
        int first = (int)(offset / BlockBytes), plugged = _blocks.CountIn(first, length);
        switch (type)
        {
            case Plug when PluggedBytes + ((ulong)length * BlockBytes) > Requested: return NotAcknowledged;
            case Plug when plugged == 0:
                _blocks.Set(first, length, isPlugged: true);
                return Acknowledged;
            case Unplug when plugged == length:
                Release(first, length);
                return Acknowledged;
            case State:
                BinaryPrimitives.WriteUInt16LittleEndian(response[ResponseState..], plugged == 0 ? Unplugged : plugged == length ? Plugged : Mixed);
                return Acknowledged;
            default: return Error;
        }
    }

    private void Release(int first, int length)
    {
        _blocks.Set(first, length, isPlugged: false);
        _ = _memory.TryRelease(_memory.PluggableStart + ((ulong)first * BlockBytes), (ulong)length * BlockBytes);
    }
}
