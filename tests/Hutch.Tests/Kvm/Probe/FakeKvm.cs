using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Host.Linux;
using Hutch.Kvm.Abi;
using Hutch.Kvm.Probe;

namespace Hutch.Tests.Kvm.Probe;

/// <summary>A /dev/kvm in this process: it knows the probe's instructions by their bytes and does what real hardware does, or what a test wants.</summary>
internal sealed unsafe class FakeKvm : IDeviceCalls, IDisposable
{
    private const int System = 100, Machine = 101, Vcpu = 102;

    private readonly KvmRun* _run = (KvmRun*)NativeMemory.AllocZeroed(4096);
    private readonly Dictionary<string, ProofInstruction> _byCode = ProofInstruction.ForHost(offersXsave: true).ToDictionary(each => Convert.ToHexString(each.Code));
    private byte* _memory;
    private KvmRegs _regs;
    private int _interruptions = 2;

    /// <summary>errno of open(2), or 0.</summary>
    internal int OpenErrno { get; init; }

    internal int ApiVersion { get; init; } = 12;

    internal KvmCap? Lacks { get; init; }

    /// <summary>A request that fails, with its errno.</summary>
    internal (uint Request, int Errno)? Refuses { get; init; }

    /// <summary>Instructions that do not run, and how KVM_RUN ends then.</summary>
    internal Dictionary<string, KvmExit> Fails { get; init; } = [];

    /// <summary>Instructions after which RAX is wrong.</summary>
    internal HashSet<string> Miscalculates { get; init; } = [];

    internal bool OffersXsave { get; init; } = true;

    /// <summary>An instruction that KVM_RUN does not come back from before it is interrupted.</summary>
    internal string? HangsAt { get; init; }

    /// <summary>No interruption helps; the test says when it comes back.</summary>
    internal ManualResetEventSlim? Deaf { get; init; }

    /// <summary>Descriptors and mappings that were not given back.</summary>
    internal int Held { get; private set; }

    /// <summary>Instructions that were executed.</summary>
    internal List<string> Ran { get; } = [];

    public int Open(string path)
    {
        if (path != "/dev/kvm") return -2;
        return OpenErrno != 0 ? -OpenErrno : Take(System);
    }

    public int Ioctl(int fd, uint request, nuint argument)
    {
        if (Refuses is { } refusal && refusal.Request == request) return -refusal.Errno;
        switch (request)
        {
            case KvmIoctl.GetApiVersion: return ApiVersion;
            case KvmIoctl.CheckExtension: return (KvmCap)argument == Lacks ? 0 : 1;
            case KvmIoctl.CreateVm: return Take(Machine);
            case KvmIoctl.GetVcpuMmapSize: return 4096;
            case KvmIoctl.CreateVcpu: return Take(Vcpu);
            case KvmIoctl.SetUserMemoryRegion: _memory = (byte*)((KvmMemoryRegion*)argument)->HostAddress; return 0;
            case KvmIoctl.GetSupportedCpuid: return Offer((uint*)argument);
            case KvmIoctl.SetRegs: _regs = *(KvmRegs*)argument; return 0;
            case KvmIoctl.GetRegs: *(KvmRegs*)argument = _regs; return 0;
            case KvmIoctl.Run: return Run();
            default: return 0;
        }
    }

    public nint Map(int fd, nuint lengthBytes, nint offset)
    {
        Held++;
        return (nint)_run;
    }

    public void Unmap(nint address, nuint lengthBytes) => Held--;

    public void Close(int fd) => Held--;

    public void Dispose() => NativeMemory.Free(_run);

    private int Take(int descriptor)
    {
        Held++;
        return descriptor;
    }

    private int Offer(uint* list)
    {
        list[0] = 1;
        KvmCpuidEntry* entry = (KvmCpuidEntry*)(list + 2);
        *entry = new KvmCpuidEntry { Leaf = 1, Ecx = OffersXsave ? 1u << 26 : 0 };
        return 0;
    }

    private int Run()
    {
        // Signals arrive when they like.
        if (_interruptions-- > 0) return -4;
        ProofInstruction instruction = Find();
        Ran.Add(instruction.Name);
        if (instruction.Name == HangsAt)
        {
            if (Deaf is not null) Deaf.Wait();
            else while (Volatile.Read(ref _run->ImmediateExit) == 0) Thread.Yield();
            return -4;
        }
        *_run = default;
        if (Fails.TryGetValue(instruction.Name, out KvmExit exit))
        {
            _run->ExitReason = exit;
            _run->InternalError = KvmRun.EmulationError;
            return 0;
        }
        _run->ExitReason = KvmExit.Hlt;
        _regs.Rax = Miscalculates.Contains(instruction.Name) ? 99 : instruction.Rax ?? 0;
        return 0;
    }

    // The longest code that stands at the instruction pointer, with its HLT behind it.
    private ProofInstruction Find()
    {
        for (int length = 16; length > 0; length--)
        {
            ReadOnlySpan<byte> code = new(_memory + _regs.Rip, length);
            if (_memory[_regs.Rip + (ulong)length] == 0xf4 && _byCode.TryGetValue(Convert.ToHexString(code), out ProofInstruction? found)) return found;
        }
        throw new InvalidOperationException("No known code stands at the instruction pointer.");
    }
}
