using System;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A guest with a virtio driver (virtio 1.2 §2.7, §4.1): it negotiates, makes queues, and offers chains of which the most are sound.</summary>
internal class VirtioDriver : FuzzDriver
{
    private const int MostQueues = 8, MostQueueSize = 64, QueueBytes = 0x4000;
    private const ushort Next = 1, Write = 2, Indirect = 4;

    private readonly ulong _common, _notify, _device;
    private readonly uint _notifyMultiplier;
    private readonly (int Size, ushort Free, ushort Available)[] _queues = new (int, ushort, ushort)[MostQueues];

    internal VirtioDriver(FuzzMachine machine, Random random) : base(machine, random)
    {
        foreach (ulong at in Capabilities())
        {
            if (machine.Load(Config + at, 1) != 9) continue;
            ulong place = Bar((int)machine.Load(Config + at + 4, 1) % 5) + machine.Load(Config + at + 8, 4);
            switch (machine.Load(Config + at + 3, 1))
            {
                case 1: _common = place; break;
                case 2: (_notify, _notifyMultiplier) = (place, (uint)machine.Load(Config + at + 16, 4)); break;
                case 4: _device = place; break;
            }
        }
        if (_common == 0 || _notify == 0) throw new InvalidOperationException("The device is not one of virtio 1.");
    }

    /// <inheritdoc/>
    private protected override void Begin() => Bring();

    /// <inheritdoc/>
    private protected override void Drive()
    {
        switch (Random.Next(128))
        {
            case 0: Bring(); break;
            case 1: Machine.Store(_device + (ulong)Random.Next(64), Value(), 1 << Random.Next(3)); break;
            case 2: _ = Machine.Load(_device + (ulong)Random.Next(64), 1 << Random.Next(3)); break;
            default:
                if (Machine.Load(_common + 0x14, 1) != 15) Bring();
                int queue = Random.Next(QueueCount);
                for (int chains = Random.Next(1, 4); chains > 0; chains--) Offer(queue);
                if (Random.Next(8) != 0) Machine.Store(_notify + (_notifyMultiplier * (ulong)queue), (ulong)queue, 2);
                break;
        }
    }

    private int QueueCount => (int)Math.Clamp(Machine.Load(_common + 0x12, 2), 1, MostQueues);

    private static ulong Ring(int queue) => FuzzMachine.Arena + ((ulong)queue * QueueBytes);

    private void Bring()
    {
        if (Random.Next(4) != 0) Machine.Store(_common + 0x14, 0, 1);
        Machine.Store(_common + 0x14, 3, 1);
        for (uint half = 0; half < 2; half++)
        {
            Machine.Store(_common, half, 4);
            ulong offered = Machine.Load(_common + 4, 4);
            Machine.Store(_common + 8, half, 4);
            // Version 1 is always among them.
            Machine.Store(_common + 0xc, half == 1 || Random.Next(2) == 0 ? offered : offered & (ulong)Random.NextInt64(), 4);
        }
        Machine.Store(_common + 0x14, 11, 1);
        UseMessages();
        Machine.Store(_common + 0x10, 0, 2);
        for (int queue = 0; queue < QueueCount; queue++)
        {
            int size = Random.Next(16) == 0 ? Random.Next(0x1_0000) : 1 << Random.Next(1, 7);
            Machine.Store(_common + 0x16, (ulong)queue, 2);
            Machine.Store(_common + 0x18, (ulong)size, 2);
            Machine.Store(_common + 0x1a, (ulong)queue + 1, 2);
            Machine.Store(_common + 0x20, Random.Next(64) == 0 ? Value() : Ring(queue), 8);
            Machine.Store(_common + 0x28, Random.Next(64) == 0 ? Value() : Ring(queue) + 0x1000, 8);
            Machine.Store(_common + 0x30, Random.Next(64) == 0 ? Value() : Ring(queue) + 0x2000, 8);
            Machine.Store(_common + 0x1c, 1, 2);
            for (ulong at = 0; at < QueueBytes; at += 8) Machine.Memory.TryWrite(Ring(queue) + at, 0UL);
            _queues[queue] = (Math.Clamp(size, 1, MostQueueSize), 0, 0);
        }
        Machine.Store(_common + 0x14, 15, 1);
    }

    private void Offer(int queue)
    {
        (int size, ushort free, ushort available) = _queues[queue];
        if (size == 0) return;
        int count = Random.Next(1, 6), readable = Random.Next(count + 1);
        bool isIndirect = Random.Next(6) == 0;
        ulong table = isIndirect ? Place() : Ring(queue);
        ushort head = (ushort)(free % size);
        for (int i = 0; i < count; i++)
        {
            bool isWritable = i >= readable;
            ulong place = Place();
            // A header comes first; a status of one byte is often the last.
            uint length = BufferLength(i, readable, count);
            if (!isWritable) Fill(place, 64);
            if (i == 0 && !isWritable) FillHeader(queue, place);
            ushort next = (ushort)(isIndirect ? i + 1 : (free + i + 1) % size);
            if (Random.Next(64) == 0) next = (ushort)Random.Next(0x1_0000);
            ushort flags = (ushort)((isWritable ? Write : 0) | (i + 1 < count ? Next : 0) | (Random.Next(64) == 0 ? Indirect : 0));
            Put(table + (16 * (ulong)(isIndirect ? i : (free + i) % size)), place, length, flags, next);
        }
        if (isIndirect) Put(Ring(queue) + (16UL * head), table, (uint)count * 16, Indirect, 0);
        free = (ushort)(free + (isIndirect ? 1 : count));
        if (Random.Next(64) == 0) head = (ushort)Random.Next(0x1_0000);
        Machine.Memory.TryWrite(Ring(queue) + 0x1004 + (2UL * (ulong)(available % size)), head);
        available += (ushort)(Random.Next(256) == 0 ? Random.Next(0x1_0000) : 1);
        Machine.Memory.TryWrite(Ring(queue) + 0x1002, available);
        _queues[queue] = (size, free, available);
    }

    /// <summary>The length of a chain's buffer, of which the first so many are the device's to read.</summary>
    private protected virtual uint BufferLength(int index, int readable, int count) =>
        index == 0 && readable != 0 ? (uint)Random.Next(8, 64) : index + 1 == count && index >= readable && Random.Next(2) == 0 ? 1 : Length();

    /// <summary>Makes more of a request's header of what is random there.</summary>
    private protected virtual void FillHeader(int queue, ulong place) { }

    private void Put(ulong at, ulong address, uint length, ushort flags, ushort next)
    {
        Machine.Memory.TryWrite(at, address);
        Machine.Memory.TryWrite(at + 8, length);
        Machine.Memory.TryWrite(at + 12, flags);
        Machine.Memory.TryWrite(at + 14, next);
    }
}
