using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Hutch.Cpu.Mmu;
using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>One decoded instruction and the bytes it was decoded from.</summary>
internal unsafe struct DecodedInstruction
{
    public Instruction Instruction;
    public InstructionForm Form;
    public InstructionFamily Family;

    /// <summary>The bytes; those behind the instruction are zero.</summary>
    public Vector128<byte> Bytes;

    /// <summary>Where the bytes were: host address, RIP, and bitness.</summary>
    public byte* Host;
    public ulong Rip;
    public int Bitness;

    /// <summary>The bytes of the instruction.</summary>
    public ReadOnlySpan<byte> Span => MemoryMarshal.CreateReadOnlySpan(ref Unsafe.As<Vector128<byte>, byte>(ref Bytes), Instruction.Length);
}

/// <summary>
/// Fetches and decodes instructions. Decoded ones are kept by host address and verified against the bytes in memory every time, so modified code needs no
/// invalidation.
/// </summary>
internal sealed unsafe class InstructionSource
{
    private const int Entries = 2048, MaxLength = 15;

    private readonly SoftVcpu _vcpu;
    private readonly VcpuContext* _c;
    private readonly Reader _reader = new();
    private readonly Decoder _decoder16, _decoder32, _decoder64;
    private readonly DecodedInstruction[] _cache = new DecodedInstruction[Entries];
    private readonly Vector128<byte>[] _masks = new Vector128<byte>[MaxLength + 1];
    private DecodedInstruction _uncached;

    public InstructionSource(SoftVcpu vcpu)
    {
        _vcpu = vcpu;
        _c = vcpu.Context;
        const DecoderOptions options = DecoderOptions.NoWbnoinvd;
        _decoder16 = Decoder.Create(16, _reader, options);
        _decoder32 = Decoder.Create(32, _reader, options);
        _decoder64 = Decoder.Create(64, _reader, options);
        byte* bytes = stackalloc byte[16];
        for (int length = 0; length <= MaxLength; length++)
        {
            for (int n = 0; n < 16; n++) bytes[n] = n < length ? (byte)0xff : (byte)0;
            // SAFETY: sixteen bytes were just written.
            _masks[length] = Vector128.Load(bytes);
        }
    }

    /// <summary>Linear address of the instruction at RIP.</summary>
    public ulong LinearRip => (_c->Mode & (uint)BlockMode.Long64) != 0 ? _c->Rip : (uint)(_c->Segments[(int)Seg.Cs].Base + _c->Rip);

    /// <summary>The instruction at RIP; good until the next call. <paramref name="ok"/> false: a fault is pending.</summary>
    public ref DecodedInstruction Next(out bool ok)
    {
        uint mode = _c->Mode;
        int bitness = (mode & (uint)BlockMode.Long64) != 0 ? 64 : (mode & (uint)BlockMode.Code32) != 0 ? 32 : 16;
        ulong rip = _c->Rip, linear = rip;
        if (bitness != 64)
        {
            if (rip > _c->Segments[(int)Seg.Cs].Limit)
            {
                ok = _vcpu.Raise(Vector.GeneralProtection, 0);
                return ref _uncached;
            }
            linear = (uint)(_c->Segments[(int)Seg.Cs].Base + rip);
        }
        if ((linear & 0xfff) > 4096 - 16) return ref DecodeSlowly(rip, linear, bitness, out ok);
        byte* host = Locate(linear, out ok);
        if (!ok) return ref _uncached;
        if (host == null) return ref DecodeSlowly(rip, linear, bitness, out ok);
        ref DecodedInstruction d = ref _cache[(int)(((ulong)host ^ ((ulong)host >> 12)) & (Entries - 1))];
        // SAFETY: the 16 bytes lie in the page that Locate found.
        Vector128<byte> bytes = Vector128.Load(host);
        if (d.Host == host && d.Rip == rip && d.Bitness == bitness && (bytes & _masks[d.Instruction.Length]) == d.Bytes)
        {
            ok = bitness == 64 || WithinLimit(d);
            return ref d;
        }
        d.Host = host;
        ok = Decode(ref d, rip, bitness, bytes, MaxLength);
        if (!ok) d.Host = null;
        return ref d;
    }

    private bool WithinLimit(in DecodedInstruction d) =>
        d.Rip + (ulong)d.Instruction.Length - 1 <= _c->Segments[(int)Seg.Cs].Limit || _vcpu.Raise(Vector.GeneralProtection, 0);

    /// <summary>Host address of code, by the instruction TLB or a walk. Null with <paramref name="ok"/>: not RAM.</summary>
    private byte* Locate(ulong linear, out bool ok)
    {
        ok = true;
        bool user = _c->Cpl == 3;
        ulong* slot = _vcpu.Contexts.Itlb(linear, user);
        ulong entry = *slot;
        // Page 0 packs to an empty slot's value if it maps frame 0, so it is never taken from the TLB.
        if (entry >> 28 == (linear >> 12 & 0xf_ffff_ffff) && entry >> 28 != 0) return _vcpu.Memory.CodeHostAddress((entry << 12 & 0xff_ffff_f000) | (linear & 0xfff));
        if ((_c->Mode & (uint)BlockMode.Long64) != 0 && (ulong)((long)(linear << 16) >> 16) != linear)
        {
            ok = _vcpu.Raise(Vector.GeneralProtection, 0);
            return null;
        }
        ok = _vcpu.Walker.Walk(linear, AccessKind.Execute, user ? AccessMode.User : AccessMode.Supervisor, out PageTranslation page);
        if (!ok) return null;
        byte* host = _vcpu.Memory.CodeHostAddress(page.PhysicalPage | (linear & 0xfff));
        if (host == null) return null;
        *slot = ContextAreas.PackItlb(linear, page.PhysicalPage);
        _vcpu.Contexts.NoteExecution(linear, user, page);
        return host;
    }

    private ref DecodedInstruction DecodeSlowly(ulong rip, ulong linear, int bitness, out bool ok)
    {
        byte* bytes = stackalloc byte[16];
        *(ulong*)bytes = *(ulong*)(bytes + 8) = 0;
        int first = (int)Math.Min(MaxLength, 4096 - (linear & 0xfff));
        int got = _vcpu.Linear.Fetch(linear, bytes, first);
        ok = got == first;
        if (!ok) return ref _uncached;
        // The next page is only looked at when the instruction reaches it.
        ok = Decode(ref _uncached, rip, bitness, Vector128.Load(bytes), first);
        if (ok || !_vcpu.Fault.Raised || !_reader.Exhausted || first == MaxLength) return ref _uncached;
        _vcpu.ClearFault();
        ok = _vcpu.Linear.Fetch(_vcpu.WrapLinear(linear + (ulong)first), bytes + first, MaxLength - first) == MaxLength - first;
        if (ok) ok = Decode(ref _uncached, rip, bitness, Vector128.Load(bytes), MaxLength);
        return ref _uncached;
    }

    private bool Decode(ref DecodedInstruction d, ulong rip, int bitness, Vector128<byte> bytes, int count)
    {
        Decoder decoder = bitness == 64 ? _decoder64 : bitness == 32 ? _decoder32 : _decoder16;
        _reader.Load(bytes, count);
        decoder.IP = rip;
        decoder.Decode(out d.Instruction);
        d.Rip = rip;
        d.Bitness = bitness;
        // Running out of 15 bytes means a longer instruction (Intel SDM 2A §2.3.11).
        if (_reader.Exhausted || (d.Instruction.IsInvalid && d.Instruction.Length == MaxLength)) return _vcpu.Raise(Vector.GeneralProtection, 0);
        d.Bytes = bytes & _masks[d.Instruction.Length];
        d.Form = d.Instruction.IsInvalid ? default : _vcpu.Machine.Forms.Get(d.Instruction);
        d.Family = InstructionFamilies.Of(d.Instruction, d.Form.Class);
        return bitness == 64 || WithinLimit(d);
    }

    /// <summary>Feeds the decoder from a copy of the instruction bytes.</summary>
    private sealed class Reader : CodeReader
    {
        private Vector128<byte> _bytes;
        private int _at, _count;

        /// <summary>More bytes were asked for than there are.</summary>
        public bool Exhausted { get; private set; }

        public void Load(Vector128<byte> bytes, int count)
        {
            _bytes = bytes;
            _at = 0;
            _count = count;
            Exhausted = false;
        }

        /// <inheritdoc/>
        public override int ReadByte()
        {
            if (_at < _count) return Unsafe.Add(ref Unsafe.As<Vector128<byte>, byte>(ref _bytes), _at++);
            Exhausted = true;
            return -1;
        }
    }
}
