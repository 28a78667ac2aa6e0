using System.Numerics;
using System.Threading;
using Hutch.Core.Memory;
using Hutch.Core.State;

namespace Hutch.Devices.Virtio.Queue;

/// <summary>
/// The device side of one split virtqueue (virtio 1.2 §2.7), with indirect descriptors (§2.7.5.3) and the event index (§2.7.7, §2.7.10).
/// <code>
///   transport: Size, addresses  ->  Activate  ->  worker: TryPop … PushUsed … ShouldInterrupt … EnableNotifications  ->  Reset
/// </code>
/// The transport sets it up while no worker runs; from Activate to Reset the worker is the only user. Nothing here throws or allocates for
/// what a driver wrote: a broken rule is remembered in <see cref="Fault"/> and every later pop says Broken.
/// </summary>
internal sealed class VirtQueue
{
    /// <summary>A split queue has at most 32768 entries.</summary>
    internal const int LargestSize = 32768;

    private const ushort AvailNoInterrupt = 1, UsedNoNotify = 1;

    private readonly GuestMemory _memory;
    private bool _eventIndex, _indirect;
    private ushort _nextAvailable, _nextUsed, _signalledUsed;

    internal VirtQueue(GuestMemory memory, int maxSize)
    {
        _memory = memory;
        MaxSize = maxSize;
        Reset();
    }

    /// <summary>The most entries that the device offers, a power of two.</summary>
    internal int MaxSize { get; }

    /// <summary>Entries, as the driver chose; checked by <see cref="Activate"/>.</summary>
    internal int Size { get; set; }

    /// <summary>Guest physical address of the descriptor table.</summary>
    internal ulong DescriptorTable { get; set; }

    /// <summary>Guest physical address of the driver area (available ring).</summary>
    internal ulong AvailableRing { get; set; }

    /// <summary>Guest physical address of the device area (used ring).</summary>
    internal ulong UsedRing { get; set; }

    /// <summary>The driver enabled the queue.</summary>
    internal bool IsEnabled { get; set; }

    /// <summary>The queue's rings are checked and in use.</summary>
    internal bool IsActive { get; private set; }

    /// <summary>The rule that the driver broke first.</summary>
    internal QueueFault Fault { get; private set; }

    /// <summary>Back to the state before the driver's set-up.</summary>
    internal void Reset()
    {
        Size = MaxSize;
        DescriptorTable = AvailableRing = UsedRing = 0;
        IsEnabled = IsActive = false;
        Fault = QueueFault.None;
        _nextAvailable = _nextUsed = _signalledUsed = 0;
    }

    /// <summary>Checks size and rings and begins. False when the driver set up nonsense.</summary>
    internal bool Activate(bool eventIndex, bool indirect)
    {
        _eventIndex = eventIndex;
        _indirect = indirect;
        if (Size <= 0 || Size > MaxSize || !BitOperations.IsPow2(Size)) return Break(QueueFault.BadSize);
        // virtio 1.2 §2.7: table 16 × size aligned to 16, driver area 6 + 2 × size to 2, device area 6 + 8 × size to 4.
        if (!IsRing(DescriptorTable, (ulong)Size * Descriptor.Bytes, 16) || !IsRing(AvailableRing, 6 + (2 * (ulong)Size), 2)
            || !IsRing(UsedRing, 6 + (8 * (ulong)Size), 4)) return Break(QueueFault.BadRingAddress);
        IsActive = true;
        return true;
    }

    /// <summary>Saves or restores the queue. Rings that are in use are checked as when the driver set them up; nothing is in flight while the worker is quiet.</summary>
    internal void Exchange(StateFields fields)
    {
        int size = Size, fault = (int)Fault;
        ulong descriptors = DescriptorTable, available = AvailableRing, used = UsedRing;
        bool enabled = IsEnabled, active = IsActive;
        fields.Value("size", ref size, 0, ushort.MaxValue);
        fields.Value("descriptors", ref descriptors);
        fields.Value("available", ref available);
        fields.Value("used", ref used);
        fields.Value("enabled", ref enabled);
        fields.Value("active", ref active);
        fields.Value("event-index", ref _eventIndex);
        fields.Value("indirect", ref _indirect);
        fields.Value("fault", ref fault, 0, (int)QueueFault.ReadableAfterWritable);
        fields.Value("next-available", ref _nextAvailable);
        fields.Value("next-used", ref _nextUsed);
        fields.Value("signalled-used", ref _signalledUsed);
        if (!fields.IsRestoring) return;
        (Size, IsEnabled, IsActive) = (size, enabled, false);
        (DescriptorTable, AvailableRing, UsedRing) = (descriptors, available, used);
        if (active) fields.Require(Activate(_eventIndex, _indirect), "active");
        Fault = (QueueFault)fault;
    }

    /// <summary>Takes the next available chain into <paramref name="chain"/>.</summary>
    internal QueueStatus TryPop(DescriptorChain chain)
    {
        if (!IsActive) return Fault == QueueFault.None ? QueueStatus.Empty : QueueStatus.Broken;
        ushort available = ReadAvailableIndex();
        ushort waiting = (ushort)(available - _nextAvailable);
        if (waiting == 0) return QueueStatus.Empty;
        if (waiting > Size) return Broken(QueueFault.AvailableJump);
        // Pairs with the driver's barrier between filling the ring entry and moving the index.
        Volatile.ReadBarrier();
        if (!_memory.TryRead(AvailableRing + 4 + (2UL * (uint)(_nextAvailable & (Size - 1))), out ushort head)) return Broken(QueueFault.BadRingAddress);
        QueueFault fault = Walk(chain, head);
        if (fault != QueueFault.None) return Broken(fault);
        _nextAvailable++;
        return QueueStatus.Popped;
    }

    /// <summary>Puts the chains taken last back: they will be popped again. For a device that cannot serve them now.</summary>
    internal void UndoPop(int count = 1) => _nextAvailable -= (ushort)count;

    /// <summary>Reads a chain again that was taken before the state was saved and is not given back. False when there is no such chain.</summary>
    internal bool TryTakeAgain(ushort head, DescriptorChain chain) => IsActive && Walk(chain, head) == QueueFault.None;

    /// <summary>Gives a chain back to the driver with the number of bytes written from its first writable byte on.</summary>
    internal void PushUsed(ushort head, uint writtenBytes)
    {
        if (!IsActive) return;
        ulong element = UsedRing + 4 + (8UL * (uint)(_nextUsed & (Size - 1)));
        bool stored = _memory.TryWrite(element, ((ulong)writtenBytes << 32) | head);
        // The element must be visible before the index that announces it.
        Volatile.WriteBarrier();
        _nextUsed++;
        if (!stored || !_memory.TryWrite(UsedRing + 2, _nextUsed)) Break(QueueFault.BadRingAddress);
    }

    /// <summary>
    /// As <see cref="PushUsed"/>, but the driver does not see it before <see cref="CommitUsed"/>: for chains that belong together, or many at once.
    /// </summary>
    /// <param name="ahead">How many were staged before since the last commit.</param>
    /// <param name="head">The chain's id.</param>
    /// <param name="writtenBytes">Bytes written from its first writable byte on.</param>
    internal void StageUsed(int ahead, ushort head, uint writtenBytes)
    {
        if (!IsActive) return;
        ulong element = UsedRing + 4 + (8UL * (uint)((_nextUsed + ahead) & (Size - 1)));
        if (!_memory.TryWrite(element, ((ulong)writtenBytes << 32) | head)) Break(QueueFault.BadRingAddress);
    }

    /// <summary>Shows the driver so many staged elements.</summary>
    internal void CommitUsed(int count)
    {
        if (!IsActive || count == 0) return;
        // As in PushUsed.
        Volatile.WriteBarrier();
        _nextUsed += (ushort)count;
        if (!_memory.TryWrite(UsedRing + 2, _nextUsed)) Break(QueueFault.BadRingAddress);
    }

    /// <summary>Whether the driver wants an interrupt for what was pushed since the last call (virtio 1.2 §2.7.7.2).</summary>
    internal bool ShouldInterrupt()
    {
        if (!IsActive || _nextUsed == _signalledUsed) return false;
        ushort before = _signalledUsed;
        _signalledUsed = _nextUsed;
        // The used index must be visible before used_event or the flags are read: the driver does the two in the other order, and x86
        // may let a load pass an earlier store.
        Interlocked.MemoryBarrier();
        if (_eventIndex)
        {
            _ = _memory.TryRead(AvailableRing + 4 + (2 * (ulong)Size), out ushort usedEvent);
            return (ushort)(_nextUsed - usedEvent - 1) < (ushort)(_nextUsed - before);
        }
        _ = _memory.TryRead(AvailableRing, out ushort flags);
        return (flags & AvailNoInterrupt) == 0;
    }

    /// <summary>Asks the driver not to notify while the device polls. With the event index, silence is the default.</summary>
    internal void DisableNotifications()
    {
        if (IsActive && !_eventIndex) _ = _memory.TryWrite(UsedRing, UsedNoNotify);
    }

    /// <summary>Asks for a notification of the next chain. True when one is there already, so that the caller must go on.</summary>
    internal bool EnableNotifications()
    {
        if (!IsActive) return false;
        if (_eventIndex) _ = _memory.TryWrite(UsedRing + 4 + (8 * (ulong)Size), _nextAvailable);
        else _ = _memory.TryWrite<ushort>(UsedRing, 0);
        // As in ShouldInterrupt: avail_event must be visible before the index is looked at again, or both sides wait for ever.
        Interlocked.MemoryBarrier();
        return ReadAvailableIndex() != _nextAvailable;
    }

    private ushort ReadAvailableIndex()
    {
        _ = _memory.TryRead(AvailableRing + 2, out ushort index);
        return index;
    }

    private QueueFault Walk(DescriptorChain chain, ushort head)
    {
        chain.Begin(head);
        ulong table = DescriptorTable;
        uint entries = (uint)Size, index = head;
        bool inIndirect = false;
        // One more step than the longest legal chain, for the descriptor that names an indirect table.
        for (int steps = 0; steps <= Size; steps++)
        {
            if (index >= entries) return QueueFault.BadIndex;
            if (!_memory.TryRead(table + (index * (ulong)Descriptor.Bytes), out Descriptor descriptor)) return QueueFault.NotRam;
            if ((descriptor.Flags & Descriptor.FlagIndirect) != 0)
            {
                if (!_indirect || inIndirect || (descriptor.Flags & Descriptor.FlagNext) != 0
                    || descriptor.Length == 0 || descriptor.Length % Descriptor.Bytes != 0) return QueueFault.BadIndirect;
                if (!_memory.IsRam(descriptor.Address, descriptor.Length)) return QueueFault.NotRam;
                (table, entries, index, inIndirect) = (descriptor.Address, descriptor.Length / Descriptor.Bytes, 0, true);
                continue;
            }
            if (descriptor.Length is 0 or > int.MaxValue) return QueueFault.BadLength;
            if (!_memory.TryPin(descriptor.Address, descriptor.Length, out GuestBuffer buffer)) return QueueFault.NotRam;
            QueueFault fault = chain.Add(buffer, (descriptor.Flags & Descriptor.FlagWrite) != 0);
            if (fault != QueueFault.None) return fault;
            if ((descriptor.Flags & Descriptor.FlagNext) == 0) return QueueFault.None;
            index = descriptor.Next;
        }
        return QueueFault.ChainTooLong;
    }

    private bool IsRing(ulong address, ulong lengthBytes, ulong alignment) =>
        address % alignment == 0 && _memory.IsRam(address, lengthBytes);

    private QueueStatus Broken(QueueFault fault)
    {
        Break(fault);
        return QueueStatus.Broken;
    }

    private bool Break(QueueFault fault)
    {
        if (Fault == QueueFault.None) Fault = fault;
        IsActive = false;
        return false;
    }
}
