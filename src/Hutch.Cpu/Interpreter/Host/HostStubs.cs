using System;
using System.Runtime.Intrinsics.X86;
using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Hutch.Host.Memory;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>
/// Executable stubs, each of which loads guest registers from a context, runs one guest instruction and stores them back. Belongs to one vCPU.
/// Bounded: when it is full, everything is forgotten.
/// </summary>
internal sealed unsafe class HostStubs : IDisposable
{
    private const int RegionBytes = 1 << 20, MaxStubBytes = 1024, Slots = 1 << 13, MaxStubs = Slots / 2;

    private readonly ExecutableRegion _region = ExecutableRegion.Allocate(RegionBytes, "Interpreter stubs");
    private readonly Entry[] _entries = new Entry[Slots];
    private readonly Buffer _buffer = new();
    private readonly Encoder _encoder;
    private readonly byte _allComponents = (byte)FpuArea.Components;
    private int _used, _count;

    public HostStubs() => _encoder = Encoder.Create(64, _buffer);

    /// <summary>Identifies what a stub does: the Code and its operands, without the address of a memory operand.</summary>
    private struct Entry
    {
        public ulong Form, Immediate;
        public delegate* unmanaged[Cdecl]<VcpuContext*, byte*, void> Stub;
    }

    /// <summary>
    /// The stub of an instruction; its second argument is the host address of the memory operand, if it has one. Null: it cannot be encoded for
    /// the host, which no form that <see cref="InstructionTable"/> lets through should be.
    /// </summary>
    public delegate* unmanaged[Cdecl]<VcpuContext*, byte*, void> Get(in Instruction i, FormTraits traits)
    {
        ulong form = Identify(i, out ulong immediate);
        ulong hash = (form ^ immediate * 0x9e37_79b9_7f4a_7c15) * 0x9e37_79b9_7f4a_7c15;
        int slot = (int)(hash >> 51);
        while (_entries[slot].Stub != null)
        {
            ref Entry entry = ref _entries[slot];
            if (entry.Form == form && entry.Immediate == immediate) return entry.Stub;
            slot = (slot + 1) & (Slots - 1);
        }
        if (_count == MaxStubs || _used + MaxStubBytes > RegionBytes)
        {
            Reset();
            slot = (int)(hash >> 51);
        }
        var stub = Emit(i, traits);
        if (stub == null) return null;
        _entries[slot] = new Entry { Form = form, Immediate = immediate, Stub = stub };
        _count++;
        return stub;
    }

    private static ulong Identify(in Instruction i, out ulong immediate)
    {
        ulong form = (uint)i.Code | (i.HasLockPrefix ? 1u << 15 : 0);
        immediate = 0;
        int count = i.OpCount;
        for (int n = 0; n < count; n++)
        {
            OpKind kind = i.GetOpKind(n);
            if (kind == OpKind.Register) form |= (ulong)i.GetOpRegister(n) << (16 + 10 * n);
            else if (kind != OpKind.Memory) immediate = immediate << 8 | i.GetImmediate(n);
        }
        return form;
    }

    private void Reset()
    {
        Array.Clear(_entries);
        _used = _count = 0;
        // Code is about to be overwritten through another mapping: serialise, as for modified code (Intel SDM 3A §9.1.3).
        _ = X86Base.CpuId(0, 0);
    }

    private delegate* unmanaged[Cdecl]<VcpuContext*, byte*, void> Emit(in Instruction original, FormTraits traits)
    {
        NormalForm form = NormalForm.Of(original);
        _buffer.Length = 0;
        if (!_encoder.TryEncode(form.Instruction, 0, out _, out _)) return null;
        // SAFETY: the caller left room for MaxStubBytes, and no stub is longer: at most 33 register moves of 8 bytes and some 150 other bytes.
        var writer = new StubWriter(_region.Writable + _used);
        byte* entry = _region.Executable + _used;
        Write(ref writer, form, Components(traits), FlagsMatter(form.Instruction));
        _used += (writer.Length + 15) & ~15;
        return (delegate* unmanaged[Cdecl]<VcpuContext*, byte*, void>)entry;
    }

    private byte Components(FormTraits traits)
    {
        int components = (traits & FormTraits.X87) != 0 ? 1 : 0;
        if ((traits & FormTraits.Vector) != 0) components |= _allComponents & 6;
        return (byte)components;
    }

    private static bool FlagsMatter(in Instruction i) => ((i.RflagsRead | i.RflagsModified)
        & (RflagsBits.CF | RflagsBits.PF | RflagsBits.AF | RflagsBits.ZF | RflagsBits.SF | RflagsBits.OF)) != 0;

    private void Write(ref StubWriter w, NormalForm form, byte components, bool flags)
    {
        const int CalleeSaved = 1 << 3 | 1 << 5 | 0xf000;
        int hostUsed = HostRegisters(form);
        for (int n = 0; n < 16; n++)
            if ((hostUsed & CalleeSaved & 1 << n) != 0) w.Push(n);
        w.AdjustStack(-16);
        w.Store(StubWriter.Rsp, 0, StubWriter.Rdi);
        if (components != 0) w.RestoreVectors(components);
        if (flags) w.LoadFlags();
        if (form.MemoryBase >= 0) w.Move(form.MemoryBase, StubWriter.Rsi);
        for (int n = 0; n < 16; n++)
            if (n != StubWriter.Rdi && (form.UsedGuestRegisters & 1 << n) != 0) w.Load(HostOf(form, n), StubWriter.Rdi, Offsets.Gpr + n * 8);
        if ((form.UsedGuestRegisters & 1 << StubWriter.Rdi) != 0) w.Load(StubWriter.Rdi, StubWriter.Rdi, Offsets.Gpr + StubWriter.Rdi * 8);
        w.Bytes(_buffer.Written);
        StoreRegisters(ref w, form);
        if (flags) w.StoreFlags();
        if (components != 0)
        {
            w.SaveVectors(components);
            w.RestoreHostVectorDefaults((components & 1) != 0, _allComponents == 7);
        }
        w.AdjustStack(16);
        for (int n = 15; n >= 0; n--)
            if ((hostUsed & CalleeSaved & 1 << n) != 0) w.Pop(n);
        w.Return();
    }

    // RAX goes through the stack, because a register is needed to reach the context. Leaves the context in RDI and the flags alone.
    private static void StoreRegisters(ref StubWriter w, NormalForm form)
    {
        w.Store(StubWriter.Rsp, 8, StubWriter.Rax);
        w.Load(StubWriter.Rax, StubWriter.Rsp, 0);
        for (int n = 1; n < 16; n++)
            if ((form.UsedGuestRegisters & 1 << n) != 0) w.Store(StubWriter.Rax, Offsets.Gpr + n * 8, HostOf(form, n));
        w.Move(StubWriter.Rdi, StubWriter.Rax);
        if ((form.UsedGuestRegisters & 1) == 0) return;
        w.Load(StubWriter.Rcx, StubWriter.Rsp, 8);
        w.Store(StubWriter.Rdi, Offsets.Gpr, StubWriter.Rcx);
    }

    private static int HostOf(NormalForm form, int guestRegister) => guestRegister == StubWriter.Rsp ? form.StackSubstitute : guestRegister;

    private static int HostRegisters(NormalForm form)
    {
        int used = form.UsedGuestRegisters;
        if (form.StackSubstitute >= 0) used |= 1 << form.StackSubstitute;
        if (form.MemoryBase >= 0) used |= 1 << form.MemoryBase;
        return used;
    }

    /// <inheritdoc/>
    public void Dispose() => _region.Dispose();

    private sealed class Buffer : CodeWriter
    {
        private readonly byte[] _bytes = new byte[16];

        public int Length { get; set; }

        public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

        public override void WriteByte(byte value) => _bytes[Length++] = value;
    }
}
