using System;
using System.IO;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Core.Memory;
using Hutch.Model.Machine;
using Iced.Intel;
using Xunit;

namespace Hutch.Tests.Engine;

/// <summary>
/// A machine of one engine without devices. Guest programs are written with an assembler and use plain integer instructions only: KVM without
/// hardware virtualization interprets ring 0 and knows few others. A program ends with OUT to <see cref="EndPort"/>.
/// </summary>
internal sealed class EngineMachine : IDisposable
{
    /// <summary>A write there ends the run; the value is <see cref="Result"/>.</summary>
    internal const byte EndPort = 0xf4;

    /// <summary>Where programs, tables and stacks are.</summary>
    internal const ulong Code = 0x1_0000, Gdt = 0x1000, Tss = 0x2000, Idt = 0x3000, PageTables = 0x4000, Stack = 0x9000, UserStack = 0xa000;

    private const int Es = 0, Cs = 1, Ss = 2, Ds = 3, Fs = 4, Gs = 5, Ldtr = 6, Tr = 7;

    private readonly IHypervisor _engine;

    internal EngineMachine(string engine, int vcpus = 1, ulong memoryBytes = 4 << 20)
        : this(engine, (hypervisor, memory) => hypervisor.CreateMachine(memory, new CpuTopology(1, vcpus, 1), CpuModel.Max), memoryBytes)
    {
    }

    internal EngineMachine(string engine, Func<IHypervisor, GuestMemory, IVirtualMachine> create, ulong memoryBytes)
    {
        _engine = Engines.Create(engine);
        Memory = GuestMemory.Create(memoryBytes);
        Machine = create(_engine, Memory);
        Exits = new RecordingExits(this);
    }

    internal GuestMemory Memory { get; }

    internal IVirtualMachine Machine { get; }

    internal RecordingExits Exits { get; }

    internal IVcpu Boot => Machine.Vcpus[0];

    /// <summary>What the last program wrote to <see cref="EndPort"/>.</summary>
    internal uint Result => Exits.Result;

    /// <summary>Assembles a program into memory. Returns the address behind it.</summary>
    internal ulong Place(ulong address, int bitness, Action<Assembler> write)
    {
        Assembler assembler = new(bitness);
        write(assembler);
        using MemoryStream stream = new();
        assembler.Assemble(new StreamCodeWriter(stream), address);
        Assert.True(Memory.TryCopyIn(address, stream.ToArray()));
        return address + (ulong)stream.Length;
    }

    /// <summary>Lets the boot processor begin in real mode at an address below 1 MiB, interrupts off.</summary>
    internal void EnterReal(ulong address)
    {
        X86VcpuState state = Saved(0);
        foreach (int i in (int[])[Es, Ss, Ds, Fs, Gs]) state.Segments[i] = new SegmentState { Limit = 0xffff, Attributes = 0x93 };
        state.Segments[Cs] = new SegmentState { Base = address & ~0xfffful, Selector = (ushort)(address >> 16 << 12), Limit = 0xffff, Attributes = 0x9b };
        state.Rip = address & 0xffff;
        state.Gpr[4] = Stack;
        Boot.RestoreRegisters(state);
    }

    /// <summary>Lets a vCPU begin in 64-bit mode with the first 2 MiB mapped to themselves, interrupts off, in ring 0 or 3 (there with I/O privilege).</summary>
    internal void EnterLong(ulong address, int ring = 0, int vcpu = 0)
    {
        WriteTables();
        X86VcpuState state = Saved(vcpu);
        uint dpl = (uint)ring << 5;
        ushort rpl = (ushort)ring;
        SegmentState data = new() { Limit = uint.MaxValue, Attributes = 0xc093 | dpl, Selector = (ushort)((ring == 0 ? 0x10 : 0x28) | rpl) };
        foreach (int i in (int[])[Es, Ss, Ds, Fs, Gs]) state.Segments[i] = data;
        state.Segments[Cs] = new SegmentState { Limit = uint.MaxValue, Attributes = 0xa09b | dpl, Selector = (ushort)((ring == 0 ? 8 : 0x30) | rpl) };
        state.Segments[Ldtr] = new SegmentState { Attributes = 1 << 16 };
        state.Segments[Tr] = new SegmentState { Base = Tss, Limit = 0x67, Attributes = 0x8b, Selector = 0x38 };
        state.Gdtr = new TableState { Base = Gdt, Limit = 0x47 };
        state.Idtr = new TableState { Base = Idt, Limit = 0xfff };
        state.Cr0 = 0x8000_0011;
        state.Cr3 = PageTables;
        state.Cr4 = 0x20;
        state.Efer = 0x500;
        state.Rflags = ring == 0 ? 2u : 0x3002;
        state.Rip = address;
        state.Gpr[4] = ring == 0 ? Stack : UserStack;
        state.Activity = VcpuActivity.Running;
        Machine.Vcpus[vcpu].RestoreRegisters(state);
    }

    /// <summary>An interrupt gate of the 64-bit IDT.</summary>
    internal void SetGate(int vector, ulong handler)
    {
        Memory.TryWrite(Idt + ((ulong)vector * 16), (handler & 0xffff) | (8ul << 16) | (0x8e00ul << 32) | (handler >> 16 & 0xffff) << 48);
        Memory.TryWrite(Idt + ((ulong)vector * 16) + 8, handler >> 32);
    }

    /// <summary>A vCPU's registers.</summary>
    internal X86VcpuState Saved(int vcpu = 0)
    {
        X86VcpuState state = new();
        Machine.Vcpus[vcpu].SaveRegisters(state);
        return state;
    }

    /// <summary>Runs the boot processor on this thread until its program ends.</summary>
    internal void RunToEnd()
    {
        VcpuStop stop = Boot.Run(Exits);
        Assert.True(stop == VcpuStop.Requested, $"The guest stopped with {stop}: {Boot.Failure?.Sentence}");
    }

    /// <summary>Starts a vCPU on a thread of its own. Join it after a stop.</summary>
    internal VcpuRunner Start(int vcpu = 0) => new(Machine.Vcpus[vcpu], Exits);

    /// <inheritdoc/>
    public void Dispose()
    {
        Machine.Dispose();
        Exits.Dispose();
        Memory.Dispose();
        _engine.Dispose();
    }

    private void WriteTables()
    {
        // Ring 3 has Linux's selectors: KVM without hardware virtualization knows no others there.
        ReadOnlySpan<ulong> gdt = [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff, 0, 0, 0x00cf_f300_0000_ffff, 0x00af_fb00_0000_ffff, 0x0000_8b00_2000_0067, 0];
        for (int i = 0; i < gdt.Length; i++) Memory.TryWrite(Gdt + ((ulong)i * 8), gdt[i]);
        Memory.TryWrite(Tss + 4, Stack);
        // Present, writable, user; one page of 2 MiB, and the last one of 4 GiB's first GiB-step for devices below 4 GiB.
        Memory.TryWrite(PageTables, PageTables + 0x1007);
        for (ulong gib = 0; gib < 4; gib++) Memory.TryWrite(PageTables + 0x1000 + (gib * 8), (gib == 3 ? PageTables + 0x3000 : PageTables + 0x2000) | 7);
        for (ulong i = 0; i < 512; i++)
        {
            Memory.TryWrite(PageTables + 0x2000 + (i * 8), (i << 21) | 0x87);
            Memory.TryWrite(PageTables + 0x3000 + (i * 8), (0xc000_0000 + (i << 21)) | 0x87);
        }
    }
}

/// <summary>A vCPU on its own thread.</summary>
internal sealed class VcpuRunner
{
    private readonly IVcpu _vcpu;
    private readonly Thread _thread;
    private VcpuStop _stop;

    internal VcpuRunner(IVcpu vcpu, IVcpuExits exits)
    {
        _vcpu = vcpu;
        _thread = new Thread(() => _stop = vcpu.Run(exits)) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>Waits until Run has returned.</summary>
    internal VcpuStop Join()
    {
        if (_thread.Join(30_000)) return _stop;
        _vcpu.RequestStop();
        bool stops = _thread.Join(30_000);
        X86VcpuState state = new();
        if (stops) _vcpu.SaveRegisters(state);
        throw new Xunit.Sdk.XunitException($"vCPU {_vcpu.Index} did not stop: it is {state.Activity} at RIP 0x{state.Rip:x}, RFLAGS 0x{state.Rflags:x}, RSI 0x{state.Gpr[6]:x}; {_stop}, {_vcpu.Failure?.Sentence}");
    }

    /// <summary>Asks it to stop, and waits.</summary>
    internal VcpuStop Stop()
    {
        _vcpu.RequestStop();
        return Join();
    }
}
