using System;
using System.Collections.Generic;
using System.Threading;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>A guest's virtio driver in a few lines: finds the structures through the capabilities and drives the registers through the BAR.</summary>
internal sealed class VirtioDriver
{
    internal const int QueueSize = 16;
    private const ulong RingsStart = 0x10_0000;

    private readonly TestMachine _machine;
    private readonly Dictionary<int, (ushort Free, ushort NextAvailable, ushort NextUsed)> _queues = [];

    internal VirtioDriver(TestMachine machine, int slot)
    {
        _machine = machine;
        Slot = slot;
        for (int at = (int)machine.ReadConfig(slot, 0x34, 1); at != 0; at = (int)machine.ReadConfig(slot, at + 1, 1))
        {
            if (machine.ReadConfig(slot, at, 1) == 0x11) MsixCapability = at;
            if (machine.ReadConfig(slot, at, 1) != 9) continue;
            int type = (int)machine.ReadConfig(slot, at + 3, 1);
            ulong address = type == 5 ? (ulong)at : Bar((int)machine.ReadConfig(slot, at + 4, 1)) + machine.ReadConfig(slot, at + 8);
            switch (type)
            {
                case 1: Common = address; break;
                case 2: Notify = address; NotifyMultiplier = machine.ReadConfig(slot, at + 16); break;
                case 3: Isr = address; break;
                case 4: Device = address; break;
                case 5: PciConfig = (int)address; break;
            }
        }
    }

    internal int Slot { get; }
    internal ulong Common { get; }
    internal ulong Notify { get; }
    internal uint NotifyMultiplier { get; }
    internal ulong Isr { get; }
    internal ulong Device { get; }
    internal int PciConfig { get; }
    internal int MsixCapability { get; }

    internal int Status => (int)_machine.Load(Common + 0x14, 1);

    internal static ulong Descriptors(int queue) => RingsStart + ((ulong)queue * 0x4000);
    internal static ulong Available(int queue) => Descriptors(queue) + 0x1000;
    internal static ulong Used(int queue) => Descriptors(queue) + 0x2000;

    internal ulong Bar(int index)
    {
        ulong low = _machine.ReadConfig(Slot, 0x10 + (4 * index));
        return (low & ~15UL) | ((low & 6) == 4 ? (ulong)_machine.ReadConfig(Slot, 0x14 + (4 * index)) << 32 : 0);
    }

    internal ulong OfferedFeatures()
    {
        _machine.Store(Common, 0, 4);
        ulong low = _machine.Load(Common + 4, 4);
        _machine.Store(Common, 1, 4);
        return low | (_machine.Load(Common + 4, 4) << 32);
    }

    /// <summary>Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK. Returns the status read back.</summary>
    internal int Negotiate(ulong features)
    {
        _machine.Store(Common + 0x14, 0, 1);
        _machine.Store(Common + 0x14, 3, 1);
        _machine.Store(Common + 8, 0, 4);
        _machine.Store(Common + 0xc, (uint)features, 4);
        _machine.Store(Common + 8, 1, 4);
        _machine.Store(Common + 0xc, (uint)(features >> 32), 4);
        _machine.Store(Common + 0x14, 11, 1);
        return Status;
    }

    /// <summary>Enables MSI-X and gives vector n the message data 0x40 + n.</summary>
    internal void EnableMsix(int vectors)
    {
        ulong table = Bar(1);
        for (int i = 0; i < vectors; i++)
        {
            _machine.Store(table + (16UL * (uint)i), 0xfee00000, 4);
            _machine.Store(table + (16UL * (uint)i) + 4, 0, 4);
            _machine.Store(table + (16UL * (uint)i) + 8, 0x40u + (uint)i, 4);
            _machine.Store(table + (16UL * (uint)i) + 12, 0, 4);
        }
        _machine.WriteConfig(Slot, MsixCapability + 2, 0x8000, 2);
        _machine.Store(Common + 0x10, 0, 2);
    }

    internal void SetUpQueue(int queue, int size = QueueSize, ulong? descriptors = null, ulong? available = null, ulong? used = null)
    {
        _machine.Store(Common + 0x16, (ulong)queue, 2);
        _machine.Store(Common + 0x18, (ulong)size, 2);
        _machine.Store(Common + 0x1a, (ulong)queue + 1, 2);
        _machine.Store(Common + 0x20, descriptors ?? Descriptors(queue), 8);
        _machine.Store(Common + 0x28, (available ?? Available(queue)) & 0xffffffff, 4);
        _machine.Store(Common + 0x2c, (available ?? Available(queue)) >> 32, 4);
        _machine.Store(Common + 0x30, used ?? Used(queue), 8);
        _machine.Store(Common + 0x1c, 1, 2);
        for (ulong i = 0; i < 0x4000; i += 8) _machine.Memory.TryWrite(Descriptors(queue) + i, 0UL);
        _queues[queue] = (0, 0, 0);
    }

    internal void DriverOk() => _machine.Store(Common + 0x14, 15, 1);

    /// <summary>The whole ceremony with all queues, MSI-X and the given features.</summary>
    internal void Bring(int queues, ulong features)
    {
        if ((Negotiate(features) & 8) == 0) throw new InvalidOperationException("Features were refused.");
        EnableMsix(queues + 1);
        for (int i = 0; i < queues; i++) SetUpQueue(i);
        DriverOk();
    }

    internal void WriteDescriptor(int queue, int index, ulong address, uint length, ushort flags, ushort next)
        => WriteDescriptorAt(Descriptors(queue) + (16 * (ulong)index), address, length, flags, next);

    internal void WriteDescriptorAt(ulong at, ulong address, uint length, ushort flags, ushort next)
    {
        _machine.Memory.TryWrite(at, address);
        _machine.Memory.TryWrite(at + 8, length);
        _machine.Memory.TryWrite(at + 12, flags);
        _machine.Memory.TryWrite(at + 14, next);
    }

    /// <summary>Makes a head available and rings the doorbell.</summary>
    internal void Offer(int queue, ushort head, bool kick = true)
    {
        (ushort free, ushort nextAvailable, ushort nextUsed) = _queues[queue];
        _machine.Memory.TryWrite(Available(queue) + 4 + (2UL * (uint)(nextAvailable % QueueSize)), head);
        Thread.MemoryBarrier();
        nextAvailable++;
        _machine.Memory.TryWrite(Available(queue) + 2, nextAvailable);
        _queues[queue] = (free, nextAvailable, nextUsed);
        if (kick) Kick(queue);
    }

    internal void Kick(int queue) => _machine.Store(Notify + (NotifyMultiplier * (ulong)queue), (ulong)queue, 2);

    /// <summary>Offers one chain of the buffers: (address, length, device-writable).</summary>
    internal void Submit(int queue, params (ulong Address, uint Length, bool Writable)[] buffers)
    {
        (ushort free, ushort nextAvailable, ushort nextUsed) = _queues[queue];
        ushort head = (ushort)(free % QueueSize);
        for (int i = 0; i < buffers.Length; i++)
        {
            ushort flags = (ushort)((buffers[i].Writable ? 2 : 0) | (i + 1 < buffers.Length ? 1 : 0));
            WriteDescriptor(queue, (free + i) % QueueSize, buffers[i].Address, buffers[i].Length, flags, (ushort)((free + i + 1) % QueueSize));
        }
        _queues[queue] = ((ushort)((free + buffers.Length) % QueueSize), nextAvailable, nextUsed);
        Offer(queue, head);
    }

    /// <summary>Takes a used element if there is one.</summary>
    internal bool TryTakeUsed(int queue, out uint id, out uint written)
    {
        (ushort free, ushort nextAvailable, ushort nextUsed) = _queues[queue];
        _machine.Memory.TryRead(Used(queue) + 2, out ushort index);
        id = written = 0;
        if (index == nextUsed) return false;
        _machine.Memory.TryRead(Used(queue) + 4 + (8UL * (uint)(nextUsed % QueueSize)), out id);
        _machine.Memory.TryRead(Used(queue) + 8 + (8UL * (uint)(nextUsed % QueueSize)), out written);
        _queues[queue] = (free, nextAvailable, (ushort)(nextUsed + 1));
        // used_event: an interrupt is wanted for the next element too.
        _machine.Memory.TryWrite(Available(queue) + 4 + (2UL * QueueSize), (ushort)(nextUsed + 1));
        Thread.MemoryBarrier();
        return true;
    }

    /// <summary>Waits for interrupts until the queue has a used element; returns its length.</summary>
    internal uint WaitUsed(int queue)
    {
        uint written;
        while (!TryTakeUsed(queue, out _, out written))
            if (!_machine.Router.WaitOne()) throw new TimeoutException("The device never answered.");
        return written;
    }

    /// <summary>Waits until the device asks for a reset.</summary>
    internal void WaitNeedsReset()
    {
        while ((Status & 64) == 0)
            if (!_machine.Router.WaitOne()) throw new TimeoutException("The device never asked for a reset.");
    }
}
