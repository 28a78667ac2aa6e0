using System;
using System.Threading;
using Hutch.Host.Linux;
using Hutch.Host.Memory;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm.Probe;

/// <summary>A machine of one vCPU and 52 KiB that executes single instructions in 64-bit ring 0 and so proves what this KVM can do.</summary>
internal sealed unsafe class ProofMachine : IDisposable
{
    private const int Interrupted = 4, TryAgain = 11;
    private const int CpuidEntries = 256;
    private const ulong Cr0 = 0x8005_0033, Cr4 = 0x620, Cr4OsXsave = 1 << 18, Efer = 0x500;   // Cr4: PAE, OSFXSR, OSXMMEXCPT; Efer: LME, LMA

    private readonly MappedRegion _memory = MappedRegion.Allocate(ProofProgram.LengthBytes, "The probe's machine");
    private readonly KvmDescriptor _machine = null!;
    private readonly KvmDescriptor _vcpu = null!;
    private readonly Lock _lock = new();
    private readonly nuint _runBytes;
    private readonly KvmSregs _sregs;
    private KvmRun* _run;
    private bool _interrupted;

    /// <summary>Builds the machine. Throws <see cref="LinuxException"/> with the call that the kernel refused.</summary>
    internal ProofMachine(KvmDescriptor system)
    {
        try
        {
            _machine = system.CreateMachine("A KVM machine");
            // Intel wants the place for real mode even of guests that are never in it; others do not mind.
            _machine.Call(KvmIoctl.SetTssAddr, "KVM_SET_TSS_ADDR", (nuint)KvmMachine.TaskSegment);
            ProofProgram.Write(Memory);
            // SAFETY: the slot is this object's own mapping, which outlives the descriptors: Dispose closes them first.
            KvmMemoryRegion slot = new() { LengthBytes = ProofProgram.LengthBytes, HostAddress = (ulong)_memory.Start };
            _machine.Call(KvmIoctl.SetUserMemoryRegion, "KVM_SET_USER_MEMORY_REGION", ref slot);
            _runBytes = (nuint)system.Call(KvmIoctl.GetVcpuMmapSize, "KVM_GET_VCPU_MMAP_SIZE");
            _vcpu = new KvmDescriptor(system.Calls, _machine.Call(KvmIoctl.CreateVcpu, "KVM_CREATE_VCPU"), "A KVM vCPU");
            _run = _vcpu.MapRun(_runBytes);
            OffersXsave = GiveCpuid(system);
            _sregs = StartState();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>KVM offers guests XSAVE.</summary>
    internal bool OffersXsave { get; }

    private Span<byte> Memory => new(_memory.Start, ProofProgram.LengthBytes);

    /// <summary>Executes one instruction. Null when it did what it should; otherwise what happened instead.</summary>
    internal string? Try(ProofInstruction instruction)
    {
        ProofProgram.WriteCode(Memory, instruction.Code);
        KvmSregs sregs = _sregs;
        _vcpu.Call(KvmIoctl.SetSregs, "KVM_SET_SREGS", ref sregs);
        KvmRegs regs = new() { Rip = ProofProgram.Code, Rsp = ProofProgram.StackTop, Rdi = ProofProgram.Data, Rcx = 255, Rflags = 2 };
        _vcpu.Call(KvmIoctl.SetRegs, "KVM_SET_REGS", ref regs);
        int result;
        // An interruption that is meant for this call is an error like any other.
        do result = _vcpu.Try(KvmIoctl.Run);
        while (result == -TryAgain || (result == -Interrupted && !Volatile.Read(ref _interrupted)));
        _vcpu.Check(result, "KVM_RUN");
        if (_run->ExitReason != KvmExit.Hlt) return Why();
        _vcpu.Call(KvmIoctl.GetRegs, "KVM_GET_REGS", ref regs);
        if (regs.Rax == ProofProgram.Faulted) return "it raised an exception";
        return instruction.Rax is { } expected && regs.Rax != expected ? $"its result is 0x{regs.Rax:x} and should be 0x{expected:x}" : null;
    }

    /// <summary>Has a thread that is inside <see cref="Try"/> leave it with an error. Any thread.</summary>
    /// <param name="thread">The thread, <see cref="ThreadKick.CurrentThread"/> there.</param>
    internal void Interrupt(int thread)
    {
        lock (_lock)
        {
            // SAFETY: the mapping is there until Dispose takes it away, under the same lock.
            if (_run == null) return;
            Volatile.Write(ref _interrupted, true);
            _run->ImmediateExit = 1;
        }
        ThreadKick.Send(thread);
    }

    private string Why() => _run->ExitReason switch
    {
        KvmExit.InternalError when _run->InternalError == KvmRun.EmulationError => "KVM interprets it and does not know it",
        KvmExit.InternalError => $"KVM reports its internal error {_run->InternalError}",
        KvmExit.Shutdown => "it ended in a triple fault",
        KvmExit.FailEntry => $"the processor refused the vCPU's state (0x{_run->EntryFailure:x})",
        KvmExit other => $"KVM left the guest with exit {(uint)other}",
    };

    // Hands the vCPU everything that KVM offers; true when XSAVE is in it.
    private bool GiveCpuid(KvmDescriptor system)
    {
        const uint Xsave = 1 << 26;
        byte[] list = new byte[8 + CpuidEntries * sizeof(KvmCpuidEntry)];
        // SAFETY: a header of two words, the first the number of entries that there is room for, and as many entries.
        fixed (byte* header = list)
        {
            *(uint*)header = CpuidEntries;
            system.Call(KvmIoctl.GetSupportedCpuid, "KVM_GET_SUPPORTED_CPUID", (nuint)header);
            _vcpu.Call(KvmIoctl.SetCpuid2, "KVM_SET_CPUID2", (nuint)header);
            KvmCpuidEntry* entries = (KvmCpuidEntry*)(header + 8);
            for (int index = 0; index < Math.Min(*(uint*)header, CpuidEntries); index++)
                if (entries[index].Leaf == 1) return (entries[index].Ecx & Xsave) != 0;
        }
        return false;
    }

    private KvmSregs StartState()
    {
        KvmSregs sregs = default;
        _vcpu.Call(KvmIoctl.GetSregs, "KVM_GET_SREGS", ref sregs);
        KvmSegment data = new() { Limit = uint.MaxValue, Selector = ProofProgram.DataSelector, Type = 3, Present = 1, System = 1, Big = 1, Granularity = 1 };
        sregs.Cs = new KvmSegment { Limit = uint.MaxValue, Selector = ProofProgram.CodeSelector, Type = 11, Present = 1, System = 1, Long = 1, Granularity = 1 };
        sregs.Ds = sregs.Es = sregs.Fs = sregs.Gs = sregs.Ss = data;
        sregs.Tr = new KvmSegment { Limit = 0x67, Selector = ProofProgram.TaskSelector, Type = 11, Present = 1 };
        sregs.Ldt = new KvmSegment { Unusable = 1 };
        sregs.Gdt = new KvmTable { Base = ProofProgram.Gdt, Limit = ProofProgram.GdtLimit };
        sregs.Idt = new KvmTable { Base = ProofProgram.Idt, Limit = ProofProgram.IdtLimit };
        (sregs.Cr0, sregs.Cr3, sregs.Cr4, sregs.Efer) = (Cr0, ProofProgram.Pml4, OffersXsave ? Cr4 | Cr4OsXsave : Cr4, Efer);
        return sregs;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            // SAFETY: nothing runs any more; the mapping is this object's own.
            if (_run != null) _machine!.Calls.Unmap((nint)_run, _runBytes);
            _run = null;
        }
        _vcpu?.Dispose();
        _machine?.Dispose();
        _memory.Dispose();
    }
}
