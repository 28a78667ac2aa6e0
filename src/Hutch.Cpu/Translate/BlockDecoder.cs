using System;
using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Translate;

/// <summary>Decodes the instructions of a block and decides how each is treated.</summary>
internal sealed unsafe class BlockDecoder
{
    /// <summary>Most instructions in a block.</summary>
    public const int MaxInstructions = 64;

    private const int MaxInstructionBytes = 15;

    private readonly GuestInstruction[] _block = new GuestInstruction[MaxInstructions];
    private readonly byte[] _bytes = GC.AllocateArray<byte>(MaxInstructions * MaxInstructionBytes + MaxInstructionBytes, pinned: true);
    private readonly byte* _local;
    private readonly ByteReader _reader;
    private readonly Decoder _decoder;
    private readonly GuestForms _forms;
    private readonly KindTable _kinds = new();
    private readonly OperandRoles _roles = new();
    private int _count;

    /// <param name="forms">Which instructions guests have; the interpreter refuses the others.</param>
    public BlockDecoder(GuestForms forms)
    {
        _forms = forms;
        // SAFETY: the array is pinned for as long as this object holds it.
        fixed (byte* local = _bytes) _local = local;
        _reader = new ByteReader(_local);
        _decoder = Decoder.Create(64, _reader);
    }

    /// <summary>The instructions of the block that was decoded last.</summary>
    public Span<GuestInstruction> Block => _block.AsSpan(0, _count);

    /// <summary>The bytes of an instruction, as they were when they were decoded.</summary>
    public byte* BytesOf(in GuestInstruction instruction) => _local + instruction.Offset;

    /// <summary>Bytes of guest code that the block covers.</summary>
    public int GuestBytes { get; private set; }

    /// <summary>The (only) instruction reaches into the next page.</summary>
    public bool CrossesPage { get; private set; }

    /// <summary>The block uses x87, SSE or AVX state.</summary>
    public bool UsesVector { get; private set; }

    /// <summary>Decodes from a request. False: the first instruction crosses into a page whose bytes are not given.</summary>
    public bool Decode(in TranslationRequest request)
    {
        _reader.Begin(request.Code, request.Available, request.NextPage);
        _decoder.IP = request.Rip;
        _count = 0;
        UsesVector = CrossesPage = false;
        GuestBytes = 0;
        bool last = false;
        while (_count < MaxInstructions && !last)
        {
            ref GuestInstruction g = ref _block[_count];
            g.Offset = _reader.Position;
            _decoder.Decode(out g.Iced);
            if (_reader.Position > request.Available || _reader.Exhausted)
            {
                if (_count != 0) break;
                if (_reader.Exhausted) return false;
                CrossesPage = last = true;
            }
            Classify(ref g, request.Mode);
            _count++;
            GuestBytes = _reader.Position;
            last |= EndsBlock(g.Kind) || GuestBytes == request.Available;
            if (_count >= 2 && _block[_count - 2].Kind == TranslationKind.Sti) last = true;
            if (_count == 1) _reader.ForgetNextPage();
        }
        EndAtShadow();
        return true;
    }

    // The instruction behind STI runs before the next interrupt: without it in the block the interpreter has to see to that.
    private void EndAtShadow()
    {
        ref GuestInstruction last = ref _block[_count - 1];
        if (last.Kind != TranslationKind.Sti) return;
        last.Kind = TranslationKind.Interpret;
        FlagLiveness.Describe(ref last);
    }

    private static bool EndsBlock(TranslationKind kind) => kind is TranslationKind.Interpret or TranslationKind.Call or TranslationKind.CallIndirect
        or TranslationKind.Return or TranslationKind.Jump or TranslationKind.JumpIndirect or TranslationKind.Pause;

    private void Classify(ref GuestInstruction g, BlockMode mode)
    {
        g.Roles = 0;
        g.Form = default;
        TranslationKind kind = _kinds.Get(g.Iced);
        if (g.Iced.Code == Code.INVALID || !_forms.Has(g.Iced.Code)) kind = TranslationKind.Interpret;
        else if (kind == TranslationKind.ByTable) kind = ByTable(ref g, mode);
        else if (!IsAllowed(g, kind, mode)) kind = TranslationKind.Interpret;
        g.Kind = kind;
        FlagLiveness.Describe(ref g);
    }

    private TranslationKind ByTable(ref GuestInstruction g, BlockMode mode)
    {
        g.Form = InstructionTable.Get(g.Iced);
        if (g.Form.Class is not (InstructionClass.PassThrough or InstructionClass.Divide)) return TranslationKind.Interpret;
        FormTraits traits = g.Form.Traits;
        if ((traits & FormTraits.NoEffect) != 0) return TranslationKind.Nop;
        if ((traits & FormTraits.BitString) != 0 && MemoryEmitter.HasNarrowAddress(g.Iced)) return TranslationKind.Interpret;
        if ((traits & (FormTraits.Vector | FormTraits.X87)) != 0)
        {
            if (!VectorAllowed(traits, mode)) return TranslationKind.Interpret;
            UsesVector = true;
        }
        g.Encoding = InstructionEncoding.Parse(BytesOf(g), g.Iced.Length);
        g.Roles = _roles.Get(g.Iced);
        if (IsOffsetMove(ref g.Encoding)) ToModRmForm(ref g.Encoding);
        if (g.Encoding.IsMemory && g.Form.MemorySize == 0) return TranslationKind.Interpret;
        if ((traits & FormTraits.BitString) != 0) return TranslationKind.BitString;
        if (!PassThroughEmitter.IsTranslated(g.Encoding, g.Roles)) return TranslationKind.Interpret;
        if (g.Form.Class != InstructionClass.Divide) return TranslationKind.PassThrough;
        return DivideEmitter.IsTranslated(g.Encoding) ? TranslationKind.Divide : TranslationKind.Interpret;
    }

    private static bool VectorAllowed(FormTraits traits, BlockMode mode)
    {
        if ((mode & BlockMode.FpuTrap) != 0) return false;
        if ((traits & FormTraits.Sse) != 0 && (mode & BlockMode.Sse) == 0) return false;
        if ((traits & FormTraits.Avx) != 0 && (mode & BlockMode.Avx) == 0) return false;
        return (traits & FormTraits.FpArithmetic) == 0 || (mode & BlockMode.StrictFp) == 0;
    }

    private static bool IsOffsetMove(ref InstructionEncoding e) => !e.Vex && e.Map == 0 && e.Opcode is >= 0xa0 and <= 0xa3;

    // MOV between the accumulator and an absolute address becomes its ModRM form: 8A, 8B, 88, 89 with register 0.
    private static void ToModRmForm(ref InstructionEncoding e)
    {
        e.Opcode = (byte)(e.Opcode < 0xa2 ? e.Opcode - 0xa0 + 0x8a : e.Opcode - 0xa2 + 0x88);
        e.HasModRm = true;
        e.ModRm = 0;
        e.TailOffset = e.Length;
    }

    private static bool IsAllowed(in GuestInstruction g, TranslationKind kind, BlockMode mode) => kind switch
    {
        TranslationKind.Lea => g.Iced.Op0Register is not (>= Register.AX and <= Register.R15W),
        TranslationKind.String => StringEmitter.IsTranslated(g.Iced),
        TranslationKind.Cli or TranslationKind.Sti or TranslationKind.Stac or TranslationKind.Clac or TranslationKind.SwapGs => (mode & BlockMode.Cpl0) != 0,
        TranslationKind.Rdtsc or TranslationKind.Rdtscp => (mode & BlockMode.Rdtsc) != 0,
        TranslationKind.ReadFsBase or TranslationKind.ReadGsBase or TranslationKind.WriteFsBase or TranslationKind.WriteGsBase => (mode & BlockMode.FsGsBase) != 0,
        _ => true,
    };

    /// <summary>Reads guest code bytes, each once, and keeps what was read.</summary>
    private sealed class ByteReader(byte* local) : CodeReader
    {
        private byte* _code, _nextPage;
        private int _available;

        public int Position { get; private set; }

        public bool Exhausted { get; private set; }

        public void Begin(byte* code, int available, byte* nextPage)
        {
            _code = code;
            _available = available;
            _nextPage = nextPage;
            Position = 0;
            Exhausted = false;
        }

        public void ForgetNextPage() => _nextPage = null;

        // SAFETY: the request promises _available bytes at _code and a whole page at _nextPage; the local buffer holds the longest block and one more instruction.
        public override int ReadByte()
        {
            byte value;
            if (Position < _available) value = _code[Position];
            else if (_nextPage != null) value = _nextPage[Position - _available];
            else
            {
                Exhausted = true;
                return -1;
            }
            local[Position++] = value;
            return value;
        }
    }
}
