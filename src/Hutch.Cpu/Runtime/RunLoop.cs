using System;
using System.Runtime.InteropServices;
using Hutch.Core.Engine;
using Hutch.Cpu.State;

namespace Hutch.Cpu.Runtime;

/// <summary>
/// Runs one vCPU: decides what comes next (<see cref="Advance"/>: events, the interpreter, a translated block), enters translated code,
/// and serves its callbacks. Callbacks run inside <see cref="Stubs.Enter"/> and return the host address to go on at, or 0 to leave.
/// </summary>
internal sealed unsafe class RunLoop : IDisposable
{
    private readonly SoftVcpu _vcpu;
    private readonly VcpuEvents _events;

    public RunLoop(SoftVcpu vcpu)
    {
        _vcpu = vcpu;
        _events = new VcpuEvents(vcpu);
    }

    /// <summary>Takes over what the vCPU does, and what it had begun to deliver.</summary>
    public void RestoreEvents(X86VcpuState state) =>
        (_events.Activity, _events.PendingException, _events.PendingInterrupt) = (state.Activity, state.PendingException, state.PendingInterrupt);

    /// <summary>The reverse.</summary>
    public void SaveEvents(X86VcpuState state) =>
        (state.Activity, state.PendingException, state.PendingInterrupt) = (_events.Activity, _events.PendingException, _events.PendingInterrupt);

    /// <summary>The state after reset.</summary>
    public void Reset(VcpuActivity activity) => (_events.Activity, _events.PendingException, _events.PendingInterrupt) = (activity, null, null);

    /// <inheritdoc cref="IVcpu.Run"/>
    public VcpuStop Run()
    {
        try
        {
            return Execute();
        }
        catch (Exception problem)
        {
            _ = Leave(problem);
            return _events.TakeStop();
        }
    }

    private VcpuStop Execute()
    {
        // A vCPU that was stopped in HLT or wait-for-SIPI goes on waiting.
        if (!_events.Handle()) return _events.TakeStop();
        var enter = (delegate* unmanaged<ulong, ulong, void>)_vcpu.Translations.Stubs.Enter;
        while (true)
        {
            ulong target = Advance();
            if (target == 0) return _events.TakeStop();
            VcpuContext* c = _vcpu.Context;
            c->ScratchR10 = c->Gpr[10];
            c->ScratchR11 = c->Rip;
            // SAFETY: the target is an entry of a live block in this vCPU's cache; the stubs keep the calling convention.
            enter(c->ContextBase, target);
            if (_events.StopPending) return _events.TakeStop();
        }
    }

    /// <inheritdoc cref="IVcpu.RequestStop"/>
    public void RequestStop() => _events.RequestStop();

    /// <inheritdoc cref="VcpuEvents.TakeStartUp"/>
    public void TakeStartUp() => _events.TakeStartUp();

    /// <summary>Ends a wait.</summary>
    public void Wake() => _events.Wake();

    /// <summary>
    /// Brings the vCPU, with all state in memory, to where translated code can go on. Returns that host address with
    /// <see cref="SoftVcpu.InGuest"/> set, or 0 when Run must return.
    /// </summary>
    private ulong Advance()
    {
        VcpuContext* c = _vcpu.Context;
        Translations translations = _vcpu.Translations;
        while (true)
        {
            if (c->Request != 0 && !_events.Handle()) return 0;
            bool single = (c->Mode & (uint)(BlockMode.Long64 | BlockMode.InterpretOnly)) != (uint)BlockMode.Long64 || c->InterruptShadow != 0;
            int block = single ? 0 : translations.FindOrTranslate(c->Rip);
            if (block == 0)
            {
                if (!_events.Complete(_vcpu.Interpreter.Step())) return 0;
                continue;
            }
            // RF ends with the first instruction, and translated code does not know it.
            c->SystemFlags &= ~(uint)Flags.Rf;
            _vcpu.LockStep?.RunAhead(translations.Block(block)->Instructions);
            if (!EnterGuest()) continue;
            c->ScratchR11 = c->Rip;
            return translations.Block(block)->DirectEntry;
        }
    }

    // Set InGuest first and look at messages afterwards: a sender posts first and looks at InGuest afterwards (with a process-wide barrier).
    private bool EnterGuest()
    {
        _vcpu.InGuest = true;
        if (!_vcpu.Messages.Any) return true;
        _vcpu.InGuest = false;
        _vcpu.Messages.Take();
        return false;
    }

    private ulong Leave(Exception problem)
    {
        _events.Fail($"The software engine failed at RIP 0x{_vcpu.Context->Rip:x}: {problem}");
        return 0;
    }

    private static SoftVcpu Begin(VcpuContext* context)
    {
        SoftVcpu vcpu = SoftVcpu.Of(context);
        vcpu.InGuest = false;
        vcpu.SyncAccessMode();
        return vcpu;
    }

    // Guest R10 and R11 never live in host registers, so nothing of them is lost at a block boundary.
    private ulong OnDispatch()
    {
        _vcpu.Context->Rip = _vcpu.Context->ScratchR11;
        return Agrees() ? Advance() : 0;
    }

    // Lock-step mode: where a block came out. With blocks unlinked every exit comes by here.
    private bool Agrees(bool flagsExact = true)
    {
        if (_vcpu.LockStep?.Compare(flagsExact) is not string difference) return true;
        _events.Fail(difference);
        return false;
    }

    private ulong OnIndirectMiss()
    {
        VcpuContext* c = _vcpu.Context;
        ulong rip = c->Rip = c->ScratchR11;
        c->ArithmeticFlags = SlowAccess.Unpack(c->FlagSave);
        if (_vcpu.LockStep is not null) return Agrees() ? Advance() : 0;
        int block = c->Request == 0 ? _vcpu.Translations.FindOrTranslate(rip) : 0;
        if (block != 0) _vcpu.Contexts.FillJump(rip, _vcpu.DataMode, _vcpu.Translations.Block(block)->IndirectEntry);
        return Advance();
    }

    private ulong OnInterpret()
    {
        ulong rip = _vcpu.Context->Rip = _vcpu.Context->ScratchR11;
        bool crossesPage = (rip & 0xfff) > 4096 - 15;
        // A block of one instruction that crosses a page comes here when the second page is not in the instruction TLB (with flags that are
        // dead at its start destroyed): put it there for the next time.
        if (crossesPage) _vcpu.Translations.Touch((rip & ~0xfffUL) + 4096);
        if (!Agrees(flagsExact: !crossesPage)) return 0;
        return _events.Complete(_vcpu.Interpreter.Step()) ? Advance() : 0;
    }

    private ulong OnLink()
    {
        VcpuContext* c = _vcpu.Context;
        Translations translations = _vcpu.Translations;
        // SAFETY: the stub's site points at inline data that the translator wrote behind its call.
        ulong site = c->SiteAddress, rip = c->Rip = *(ulong*)site;
        if (_vcpu.LockStep is not null) return Agrees() ? Advance() : 0;
        int generation = translations.Generation;
        if (c->Request == 0)
        {
            int block = translations.FindOrTranslate(rip);
            if (block != 0 && translations.Generation == generation)
                translations.PatchJump(site - (ulong)*(int*)(site + 8), translations.Block(block)->DirectEntry);
        }
        return Advance();
    }

    private ulong OnSlowAccess(bool vectorBlock)
    {
        VcpuContext* c = _vcpu.Context;
        ulong site = c->SiteAddress;
        var access = new SlowAccess(*(uint*)site);
        if (access.FlagsSaved) c->ArithmeticFlags = SlowAccess.Unpack(c->FlagSave);
        c->Rip = *(ulong*)(site + 4);
        if (access.TryFill(_vcpu) && EnterGuest())
        {
            c->ReloadVector = vectorBlock ? (byte)1 : (byte)0;
            return site + 12;
        }
        if (!Agrees(flagsExact: access.FlagsSaved)) return 0;
        if (c->Request != 0) return Advance();
        return _events.Complete(_vcpu.Interpreter.Step()) ? Advance() : 0;
    }

    /// <summary>The callbacks' addresses for the stubs.</summary>
    public static Stubs.Callbacks CallbackAddresses() => new()
    {
        Dispatch = (ulong)(delegate* unmanaged<VcpuContext*, ulong>)&DispatchEntry,
        IndirectMiss = (ulong)(delegate* unmanaged<VcpuContext*, ulong>)&IndirectMissEntry,
        Interpret = (ulong)(delegate* unmanaged<VcpuContext*, ulong>)&InterpretEntry,
        Link = (ulong)(delegate* unmanaged<VcpuContext*, ulong>)&LinkEntry,
        SlowAccess = (ulong)(delegate* unmanaged<VcpuContext*, ulong>)&SlowAccessEntry,
        SlowAccessVector = (ulong)(delegate* unmanaged<VcpuContext*, ulong>)&SlowAccessVectorEntry,
    };

    // Exceptions must not cross translated frames: each entry is a wall that turns one into a stop of this vCPU.
    [UnmanagedCallersOnly]
    private static ulong DispatchEntry(VcpuContext* context)
    {
        RunLoop loop = Begin(context).RunLoop;
        try { return loop.OnDispatch(); }
        catch (Exception problem) { return loop.Leave(problem); }
    }

    [UnmanagedCallersOnly]
    private static ulong IndirectMissEntry(VcpuContext* context)
    {
        RunLoop loop = Begin(context).RunLoop;
        try { return loop.OnIndirectMiss(); }
        catch (Exception problem) { return loop.Leave(problem); }
    }

    [UnmanagedCallersOnly]
    private static ulong InterpretEntry(VcpuContext* context)
    {
        RunLoop loop = Begin(context).RunLoop;
        try { return loop.OnInterpret(); }
        catch (Exception problem) { return loop.Leave(problem); }
    }

    [UnmanagedCallersOnly]
    private static ulong LinkEntry(VcpuContext* context)
    {
        RunLoop loop = Begin(context).RunLoop;
        try { return loop.OnLink(); }
        catch (Exception problem) { return loop.Leave(problem); }
    }

    [UnmanagedCallersOnly]
    private static ulong SlowAccessEntry(VcpuContext* context)
    {
        RunLoop loop = Begin(context).RunLoop;
        try { return loop.OnSlowAccess(vectorBlock: false); }
        catch (Exception problem) { return loop.Leave(problem); }
    }

    [UnmanagedCallersOnly]
    private static ulong SlowAccessVectorEntry(VcpuContext* context)
    {
        RunLoop loop = Begin(context).RunLoop;
        try { return loop.OnSlowAccess(vectorBlock: true); }
        catch (Exception problem) { return loop.Leave(problem); }
    }

    /// <inheritdoc/>
    public void Dispose() => _events.Dispose();
}
