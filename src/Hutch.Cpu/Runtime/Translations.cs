using System;
using System.Runtime.CompilerServices;
using Hutch.Cpu.Mmu;
using Hutch.Cpu.State;
using Hutch.Cpu.Translate;
using Hutch.Host.Memory;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// The translated code of one vCPU: a code cache that is filled front to back and emptied when full, and the blocks in it. Everything
/// runs on the vCPU's thread, so linking and killing blocks take no lock.
/// </summary>
internal sealed unsafe class Translations : IDisposable
{
    /// <summary>Address space of one vCPU's code cache; pages are committed as they are filled.</summary>
    private const ulong CacheBytes = 96UL << 20;
    private const int BlockReserve = 64 << 10;
    private const int JumpBytes = 5;

    /// <summary>After this much new code the writable view is let go: linking maps the few pages that it still patches again.</summary>
    private const int ReleaseBytes = 4 << 20;

    private readonly SoftVcpu _vcpu;
    private readonly ExecutableRegion _cache;
    private readonly BlockStore _blocks;
    private readonly BlockTranslator _translator;
    private readonly int _firstFree;
    private int _free, _released;

    public Translations(SoftVcpu vcpu)
    {
        _vcpu = vcpu;
        _cache = ExecutableRegion.Allocate(CacheBytes, "Code cache of a vCPU");
        _blocks = new BlockStore(vcpu.Machine.CodePages.IndexCount);
        vcpu.Context->JumpCacheMask = ContextLayout.JumpCachePextMask;
        vcpu.Context->HostMxcsr = 0x1f80;
        Stubs = new Stubs(_cache.Writable, (ulong)_cache.Executable, vcpu.Context, RunLoop.CallbackAddresses(), vcpu.Machine.WritesGsBase);
        _free = _firstFree = (Stubs.Length + 63) & ~63;
        _translator = new BlockTranslator(new StubAddresses
        {
            Dispatch = Stubs.Dispatch,
            Link = Stubs.Link,
            IndirectMiss = Stubs.IndirectMiss,
            Interpret = Stubs.Interpret,
            SlowAccess = Stubs.SlowAccess,
            SlowAccessVector = Stubs.SlowAccessVector,
            LoadVector = Stubs.LoadVector,
        }, vcpu.Machine.Forms);
        vcpu.Contexts.Initialise(Stubs.IndirectMiss);
    }

    /// <summary>The stubs at the start of the cache.</summary>
    public Stubs Stubs { get; }

    /// <summary>Counts how often the cache was emptied: host addresses from before are gone.</summary>
    public int Generation { get; private set; }

    /// <summary>Blocks translated, for the inspect tree and benchmarks.</summary>
    public long TranslatedBlocks { get; private set; }

    /// <summary>Guest instructions translated.</summary>
    public long TranslatedInstructions { get; private set; }

    /// <summary>
    /// The block at the vCPU's RIP in its mode, translated if need be. 0: the code cannot be fetched from RAM (a fault, MMIO) and the
    /// interpreter must see to it.
    /// </summary>
    public int FindOrTranslate(ulong rip)
    {
        if (!TryFetchPage(rip, out ulong physicalPage)) return 0;
        ulong physical = physicalPage | (rip & 0xfff);
        uint mode = _vcpu.Context->Mode;
        int found = _blocks.Find(physical, rip, mode);
        return found != 0 ? found : Translate(rip, physical, mode);
    }

    /// <summary>The record of a block.</summary>
    public BlockRecord* Block(int number) => _blocks[number];

    /// <summary>Lets a patchable jump lead straight to a block. <paramref name="field"/> is the executable address of its rel32.</summary>
    public void PatchJump(ulong field, ulong target)
    {
        // SAFETY: the field lies in the cache (a site of this generation); only this thread executes or writes it.
        Unsafe.WriteUnaligned(ToWritable(field), (int)(target - (field + 4)));
    }

    /// <summary>Drops the blocks that overlap some granules of a RAM page.</summary>
    public void InvalidateBlocks(int page, ulong granules)
    {
        bool any = false;
        for (int number = _blocks.FirstOf(page); number != 0; number = _blocks.NextOf(number, page))
        {
            BlockRecord* block = _blocks[number];
            if (block->Dead || (GranulesOn(block, page) & granules) == 0) continue;
            Kill(number);
            any = true;
        }
        if (any) _blocks.Sweep(page);
    }

    /// <summary>Told of every mode change: what the jump caches assume beyond the access mode must still hold.</summary>
    public void OnModeChange(BlockMode from, BlockMode to)
    {
        BlockMode assumed = ~(BlockMode.AccessMask | BlockMode.Cpl0 | BlockMode.Rdtsc | BlockMode.InterpretOnly);
        if (((from ^ to) & assumed) != 0) _vcpu.Contexts.FlushAllExecution();
    }

    private static ulong GranulesOn(BlockRecord* block, int page)
    {
        int inFirst = (int)Math.Min((ulong)block->GuestBytes, 4096 - (block->Physical & 0xfff));
        return block->Page == page
            ? CodePages.GranuleBits(block->Physical, inFirst)
            : CodePages.GranuleBits(0, block->GuestBytes - inFirst);
    }

    private void Kill(int number)
    {
        BlockRecord* block = _blocks[number];
        Redirect(number, block->DeadExit);
        _blocks.Kill(number);
        if (block->SecondPage < 0) return;
        _blocks.Sweep(block->Page);
        _blocks.Sweep(block->SecondPage);
    }

    /// <summary>Fills the instruction TLB for an address if it can be executed from RAM.</summary>
    public void Touch(ulong rip) => _ = TryFetchPage(rip, out _);

    private void Redirect(int number, ulong target)
    {
        ulong from = _blocks[number]->DirectEntry;
        byte* entry = ToWritable(from);
        entry[0] = 0xe9;
        Unsafe.WriteUnaligned(entry + 1, (int)(target - (from + JumpBytes)));
    }

    private bool TryFetchPage(ulong rip, out ulong physicalPage)
    {
        bool user = _vcpu.Context->Cpl == 3;
        ulong* entry = _vcpu.Contexts.Itlb(rip, user);
        if (*entry != 0 && ContextAreas.PackItlb(rip, *entry << 12) == *entry && _vcpu.IsCanonical(rip))
        {
            physicalPage = (*entry & 0xfff_ffff) << 12;
            return true;
        }
        physicalPage = 0;
        if (!_vcpu.IsCanonical(rip) || !_vcpu.Walker.Walk(rip, AccessKind.Execute, _vcpu.CodeMode, out PageTranslation page))
        {
            _vcpu.ClearFault();
            return false;
        }
        if (_vcpu.Memory.CodeHostAddress(page.PhysicalPage) == null) return false;
        physicalPage = page.PhysicalPage;
        *entry = ContextAreas.PackItlb(rip, physicalPage);
        _vcpu.Contexts.NoteExecution(rip, user, page);
        return true;
    }

    private int Translate(ulong rip, ulong physical, uint mode)
    {
        if (_blocks.IsFull || (ulong)_free + BlockReserve > CacheBytes) Flush();
        CodePages codePages = _vcpu.Machine.CodePages;
        int available = 4096 - (int)(physical & 0xfff);
        var request = new TranslationRequest { Rip = rip, Mode = (BlockMode)mode, Code = _vcpu.Memory.CodeHostAddress(physical), Available = Math.Min(available, MaxGuestBytes) };
        int secondPage = -1;
        if (available < 15 && TryFetchPage(rip + (ulong)available, out ulong next))
        {
            request.NextPage = _vcpu.Memory.CodeHostAddress(next);
            request.NextPageItlb = ContextAreas.PackItlb(rip + (ulong)available, next);
            secondPage = codePages.IndexOf(next);
            codePages.BeginTranslation(next, 16, _vcpu);
        }
        codePages.BeginTranslation(physical, Math.Min(available, MaxGuestBytes), _vcpu);
        if (!_translator.Translate(request, _cache.Writable + _free, (ulong)_cache.Executable + (ulong)_free, BlockReserve, out TranslatedBlock block))
            throw new InvalidOperationException("A translated block is larger than the space reserved for one.");
        ulong start = (ulong)_cache.Executable + (ulong)_free;
        _free = (_free + block.Length + 15) & ~15;
        if (_free - _released >= ReleaseBytes) ReleaseFinished();
        TranslatedBlocks++;
        TranslatedInstructions += block.Instructions;
        int number = _blocks.Add(new BlockRecord
        {
            Physical = physical,
            Rip = rip,
            Mode = mode,
            Start = start,
            DirectOffset = (ushort)block.DirectEntry,
            IndirectOffset = (ushort)block.IndirectEntry,
            DeadOffset = (ushort)block.DeadExit,
            GuestBytes = (ushort)block.GuestBytes,
            Instructions = (byte)block.Instructions,
            Page = codePages.IndexOf(physical),
            SecondPage = block.GuestBytes > available ? secondPage : -1,
        });
        // Jumps that led to a block of this key that died meanwhile are good for this one.
        for (int dead = _blocks.TakeDead(number); dead != 0; dead = _blocks.TakeDead(number)) Redirect(dead, _blocks[number]->DirectEntry);
        return number;
    }

    /// <summary>How many guest bytes a block may cover; the granules are marked before the bytes are read.</summary>
    private const int MaxGuestBytes = 512;

    /// <summary>Drops all blocks. The vCPU does not go on in one.</summary>
    public void Flush()
    {
        _blocks.Clear();
        _free = _firstFree;
        _released = 0;
        Generation++;
        _vcpu.Contexts.FlushAllExecution();
    }

    private void ReleaseFinished()
    {
        _cache.ReleaseWritable(0, (ulong)_free);
        _released = _free;
    }

    private byte* ToWritable(ulong executable) => _cache.Writable + (executable - (ulong)_cache.Executable);

    /// <inheritdoc/>
    public void Dispose()
    {
        _cache.Dispose();
        _blocks.Dispose();
    }
}
