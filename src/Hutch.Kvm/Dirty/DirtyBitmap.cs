using System;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm.Dirty;

/// <summary>
/// The kernel's log of a bit for each page of a slot (KVM_GET_DIRTY_LOG). With manual protection reading leaves the pages writable, and only those
/// that were read are protected again (KVM_CLEAR_DIRTY_LOG), so that a page that stays quiet costs nothing.
/// </summary>
internal sealed unsafe class DirtyBitmap(KvmMachine machine, GuestMemory memory) : IDirtyLog
{
    private readonly HostWrites _host = new(memory);
    private readonly bool _isManual = machine.Hypervisor.Capabilities.HasManualDirtyProtection;

    /// <inheritdoc/>
    public int PageCount => (int)(memory.LengthBytes >> 12);

    /// <inheritdoc/>
    public void Start()
    {
        _host.Clear();
        memory.SetWriteObserver(_host);
        machine.Slots.LogWrites(true);
    }

    /// <inheritdoc/>
    public void Take(Span<ulong> bitmap)
    {
        // Whatever a device wrote before is in one of the two answers.
        _host.Take(bitmap);
        foreach (KvmSlot slot in machine.Slots.Ram)
        {
            ulong[] words = new ulong[(slot.PageCount + 63) / 64];
            // SAFETY: the kernel fills a bit for each page of the slot, in whole words, and reads as many.
            fixed (ulong* address = words)
            {
                KvmDirtyLog log = new() { Slot = slot.Number, Bitmap = (ulong)address };
                machine.Vm.Call(KvmIoctl.GetDirtyLog, "KVM_GET_DIRTY_LOG", ref log);
                if (_isManual && words.AsSpan().ContainsAnyExcept(0ul))
                {
                    KvmClearDirtyLog clear = new() { Slot = slot.Number, PageCount = (uint)slot.PageCount, Bitmap = (ulong)address };
                    machine.Vm.Call(KvmIoctl.ClearDirtyLog, "KVM_CLEAR_DIRTY_LOG", ref clear);
                }
            }
            Add(bitmap, words, slot.FirstPage);
        }
    }

    // A slot need not begin at a whole word of the answer.
    private static void Add(Span<ulong> bitmap, ReadOnlySpan<ulong> words, int firstPage)
    {
        int at = firstPage / 64, shift = firstPage % 64;
        for (int i = 0; i < words.Length; i++)
        {
            bitmap[at + i] |= words[i] << shift;
            if (shift != 0 && words[i] >> (64 - shift) is not 0 and ulong rest) bitmap[at + i + 1] |= rest;
        }
    }

    /// <inheritdoc/>
    public void Stop()
    {
        machine.Slots.LogWrites(false);
        memory.SetWriteObserver(null);
    }
}
