using System.Threading;
using Hutch.Core.Memory;
using Hutch.Host.Memory;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// Which bytes of guest RAM have been translated, by any vCPU, and which vCPUs may hold write tags for a page.
/// Ordering: a translator sets granule bits (full fence) before it reads code bytes; a writer outside translated code writes first and
/// looks at the bits afterwards (full fence), so one of the two sees the other. Stores in translated code go through write tags, which a
/// translator removes from every vCPU, waiting until none can still be in use.
/// </summary>
internal sealed unsafe class CodePages : IGuestWriteObserver, System.IDisposable
{
    private const int RomPages = (int)(MemoryLayout.RomWindowBytes >> 12), DevicePages = (int)(MemoryLayout.MostDeviceBytes >> 12);

    private readonly SoftMachine _machine;
    private readonly GuestMemory _memory;
    private readonly MappedRegion _granuleMemory, _writerMemory, _ownerMemory;
    private readonly ulong* _granules, _writers, _owners;

    // How many vCPUs are between setting bits and having removed the write tags.
    private int _beginning;

    /// <summary>Which pages were written.</summary>
    public DirtyLog Dirty { get; }

    public CodePages(SoftMachine machine, GuestMemory memory)
    {
        _machine = machine;
        _memory = memory;
        PageCount = (int)(memory.LengthBytes >> 12);
        IndexCount = PageCount + RomPages + DevicePages + 1;
        Dirty = new DirtyLog(machine, PageCount);
        _granuleMemory = MappedRegion.Allocate((ulong)IndexCount * 8, "Code page index");
        _writerMemory = MappedRegion.Allocate((ulong)IndexCount * 8, "Code page index");
        _ownerMemory = MappedRegion.Allocate((ulong)IndexCount * 8, "Code page index");
        _granules = (ulong*)_granuleMemory.Start;
        _writers = (ulong*)_writerMemory.Start;
        _owners = (ulong*)_ownerMemory.Start;
        memory.SetWriteObserver(this);
    }

    /// <summary>RAM in 4 KiB pages.</summary>
    public int PageCount { get; }

    /// <summary>
    /// Pages that have an index: those of RAM, then those of the window for read-only memory, those of devices' memory, and one for what another vCPU has just moved away.
    /// </summary>
    public int IndexCount { get; }

    /// <summary>Index of a page by its physical address. The caller knows that it is RAM, read-only memory or a device's.</summary>
    public int IndexOf(ulong physical)
    {
        if (physical < _memory.LowBytes) return (int)(physical >> 12);
        ulong offset = physical - GuestMemory.HighMemoryStart;
        if (offset < _memory.HighBytes) return (int)((_memory.LowBytes + offset) >> 12);
        ulong inWindow = physical - MemoryLayout.RomWindowStart;
        return inWindow < MemoryLayout.RomWindowBytes ? PageCount + (int)(inWindow >> 12) : IndexOfDevice(physical);
    }

    /// <summary>Physical address of a page by its index.</summary>
    public ulong PhysicalOf(int pageIndex)
    {
        if (pageIndex >= PageCount + RomPages) return PhysicalOfDevice(pageIndex - PageCount - RomPages);
        if (pageIndex >= PageCount) return MemoryLayout.RomWindowStart + ((ulong)(pageIndex - PageCount) << 12);
        ulong offset = (ulong)pageIndex << 12;
        return offset < _memory.LowBytes ? offset : offset - _memory.LowBytes + GuestMemory.HighMemoryStart;
    }

    /// <summary>Whether a vCPU may install a write tag for the page. Records the vCPU as a writer first.</summary>
    /// <param name="pageIndex">The page.</param>
    /// <param name="vcpu">Index of the vCPU.</param>
    /// <param name="writes">It is about to write; else it reads, and the tag would be for later.</param>
    public bool TryBecomeWriter(int pageIndex, int vcpu, bool writes)
    {
        if (writes) Dirty.Note(pageIndex);
        else if (!Dirty.IsNoted(pageIndex)) return false;
        ulong bit = 1UL << (vcpu & 63);
        if ((Volatile.Read(ref _writers[pageIndex]) & bit) == 0) Interlocked.Or(ref _writers[pageIndex], bit);
        return Volatile.Read(ref _granules[pageIndex]) == 0;
    }

    /// <summary>The 64-byte granules of a page that hold translated bytes.</summary>
    public ulong Granules(int pageIndex) => Volatile.Read(ref _granules[pageIndex]);

    /// <summary>Bits of the granules that a range inside one page touches.</summary>
    public static ulong GranuleBits(ulong physical, int size)
    {
        int first = (int)(physical >> 6) & 63, last = (int)((physical + (ulong)size - 1) >> 6) & 63;
        return (ulong.MaxValue << first) & (ulong.MaxValue >> (63 - last));
    }

    /// <summary>
    /// Called by a vCPU before it reads <paramref name="size"/> code bytes at <paramref name="physical"/> (inside one page) to translate them. Afterwards no
    /// vCPU can change the bytes without invalidating the translation.
    /// </summary>
    public void BeginTranslation(ulong physical, int size, SoftVcpu vcpu)
    {
        int page = IndexOf(physical);
        ulong own = 1UL << (vcpu.Index & 63);
        Interlocked.Or(ref _owners[page], own);
        Interlocked.Increment(ref _beginning);
        ulong before = Interlocked.Or(ref _granules[page], GranuleBits(physical, size));
        if (before == 0) DropAllWriteTags(page, physical & ~0xfffUL, own, vcpu);
        Interlocked.Decrement(ref _beginning);
        if (before == 0) return;
        // Who set the page's first bits may still be waiting for a writer to let go of its tag. This vCPU is not in translated code, so
        // nobody waits for it meanwhile.
        var spin = new SpinWait();
        while (Volatile.Read(ref _beginning) != 0) spin.SpinOnce(sleep1Threshold: -1);
    }

    private void DropAllWriteTags(int page, ulong physicalPage, ulong own, SoftVcpu vcpu)
    {
        ulong writers = Interlocked.Exchange(ref _writers[page], 0);
        if ((writers & own) != 0) vcpu.Contexts.DropWriteTags(page, physicalPage);
        if ((writers & ~own) != 0) _machine.DropRemoteWriteTags(page, writers & ~own, vcpu);
    }

    /// <summary>After a write outside translated code: notes it and invalidates translations of the bytes. The range lies in one page.</summary>
    public void AfterWrite(ulong physical, int size, SoftVcpu? writer)
    {
        int page = IndexOf(physical);
        if (page < PageCount) Dirty.Note(page);
        Interlocked.MemoryBarrier();
        ulong hit = Volatile.Read(ref _granules[page]) & GranuleBits(physical, size);
        if (hit == 0) return;
        // Bits go before owners are read: a translator that comes in between is an owner already and drops its block for nothing;
        // one that comes later sets its bits again.
        Interlocked.And(ref _granules[page], ~hit);
        ulong owners = Volatile.Read(ref _owners[page]);
        _machine.InvalidateCode(page, hit, owners, writer);
    }

    private int IndexOfDevice(ulong physical)
    {
        foreach (DeviceMemory memory in _memory.Layout.Devices)
            if (memory.Start is ulong start && physical - start < memory.LengthBytes) return PageCount + RomPages + memory.FirstPage + (int)((physical - start) >> 12);
        return IndexCount - 1;
    }

    private ulong PhysicalOfDevice(int page)
    {
        foreach (DeviceMemory memory in _memory.Layout.Devices)
            if (memory.Start is ulong start && (ulong)(uint)(page - memory.FirstPage) < memory.LengthBytes >> 12) return start + ((ulong)(page - memory.FirstPage) << 12);
        return ulong.MaxValue << 12;
    }

    /// <inheritdoc/>
    public void OnHostWrite(ulong address, ulong lengthBytes)
    {
        while (lengthBytes != 0)
        {
            ulong part = System.Math.Min(lengthBytes, 4096 - (address & 0xfff));
            AfterWrite(address, (int)part, null);
            address += part;
            lengthBytes -= part;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _memory.SetWriteObserver(null);
        _granuleMemory.Dispose();
        _writerMemory.Dispose();
        _ownerMemory.Dispose();
    }
}
