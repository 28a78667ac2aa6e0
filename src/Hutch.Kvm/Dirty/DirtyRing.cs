using System;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Host.Linux;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm.Dirty;

/// <summary>
/// The kernel's log as a ring of page numbers for each vCPU (linux/Documentation/virt/kvm/api.rst, KVM_CAP_DIRTY_LOG_RING): its cost follows the
/// writes, not the size of RAM. An entry is the kernel's until it sets DIRTY, ours until we set RESET, and the kernel's again after
/// KVM_RESET_DIRTY_RINGS. A vCPU whose ring is full leaves the guest and empties it.
/// </summary>
internal sealed unsafe class DirtyRing : IDirtyLog, IDisposable
{
    private const int RingPageOffset = 64, PageBytes = 4096, SlotMask = 0xffff;

    private readonly Lock _lock = new();
    private readonly KvmMachine _machine;
    private readonly GuestMemory _memory;
    private readonly HostWrites _host;
    private readonly nint[] _rings;
    private readonly uint[] _next;
    private readonly uint _entries;
    private readonly ulong[] _pages;

    /// <param name="machine">The machine; its capability is on and its vCPUs exist.</param>
    /// <param name="memory">Guest RAM.</param>
    /// <param name="lengthBytes">Length of each ring.</param>
    internal DirtyRing(KvmMachine machine, GuestMemory memory, uint lengthBytes)
    {
        _machine = machine;
        _memory = memory;
        _host = new HostWrites(memory);
        _entries = lengthBytes / (uint)sizeof(KvmDirtyPage);
        _pages = new ulong[(PageCount + 63) / 64];
        _rings = new nint[machine.KvmVcpus.Length];
        _next = new uint[_rings.Length];
        for (int i = 0; i < _rings.Length; i++)
        {
            KvmDescriptor vcpu = machine.KvmVcpus[i].Descriptor;
            nint ring = vcpu.Calls.Map(vcpu.Number, lengthBytes, RingPageOffset * PageBytes);
            if (ring is < 0 and > -4096) throw new LinuxException("mmap", (int)-ring, $"The dirty ring of vCPU {i}");
            _rings[i] = ring;
        }
    }

    /// <inheritdoc/>
    public int PageCount => (int)(_memory.LengthBytes >> 12);

    /// <summary>The capability that switches rings on; one of the two exists, or neither.</summary>
    internal static KvmCap Capability(KvmCapabilities capabilities) =>
        capabilities[KvmCap.DirtyLogRingAcqRel] != 0 ? KvmCap.DirtyLogRingAcqRel : KvmCap.DirtyLogRing;

    /// <inheritdoc/>
    public void Start()
    {
        lock (_lock)
        {
            Harvest();
            Array.Clear(_pages);
        }
        _host.Clear();
        _memory.SetWriteObserver(_host);
        _machine.Slots.LogWrites(true);
    }

    /// <inheritdoc/>
    public void Take(Span<ulong> bitmap)
    {
        _host.Take(bitmap);
        lock (_lock)
        {
            Harvest();
            for (int i = 0; i < _pages.Length; i++) bitmap[i] |= _pages[i];
            Array.Clear(_pages);
        }
    }

    /// <inheritdoc/>
    public void Stop()
    {
        _machine.Slots.LogWrites(false);
        _memory.SetWriteObserver(null);
    }

    /// <summary>Empties the rings so that a vCPU whose ring was full can go on. Any vCPU's thread.</summary>
    internal void MakeRoom()
    {
        lock (_lock) Harvest();
    }

    private void Harvest()
    {
        int found = 0;
        for (int i = 0; i < _rings.Length; i++)
        {
            // SAFETY: the mapping has _entries entries, and the index is taken modulo that.
            KvmDirtyPage* ring = (KvmDirtyPage*)_rings[i];
            while (true)
            {
                KvmDirtyPage* entry = ring + (_next[i] % _entries);
                if ((Volatile.Read(ref entry->Flags) & KvmDirtyPage.Dirty) == 0) break;
                Note(entry->Slot & SlotMask, entry->Page);
                Volatile.Write(ref entry->Flags, KvmDirtyPage.Reset);
                _next[i]++;
                found++;
            }
        }
        if (found != 0) _machine.Vm.Call(KvmIoctl.ResetDirtyRings, "KVM_RESET_DIRTY_RINGS");
    }

    private void Note(uint number, ulong pageInSlot)
    {
        foreach (KvmSlot slot in _machine.Slots.Ram)
        {
            if (slot.Number != number || pageInSlot >= (ulong)slot.PageCount) continue;
            int page = slot.FirstPage + (int)pageInSlot;
            _pages[page / 64] |= 1ul << (page % 64);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (nint ring in _rings)
            if (ring != 0) _machine.Vm.Calls.Unmap(ring, _entries * (nuint)sizeof(KvmDirtyPage));
    }
}
