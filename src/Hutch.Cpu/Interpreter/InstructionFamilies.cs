using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter;

/// <summary>Which class of the interpreter executes an instruction.</summary>
internal enum InstructionFamily : byte
{
    /// <summary>#UD.</summary>
    Undefined,

    /// <summary>The host executor.</summary>
    Host,
    Nothing,
    Control,
    Stack,
    String,
    Flag,
    Decimal,
    LoadSegment,
    StoreSegment,
    FarPointer,
    InspectSelector,
    AdjustRpl,
    Table,
    ControlRegister,
    DebugRegister,
    LoadStatusWord,
    StoreStatusWord,
    ClearTaskSwitched,
    SetExtended,
    GetExtended,
    Identify,
    Port,
    SystemCall,
    Hypercall,
    Halt,
}

/// <summary>Sorts instructions into families; asked once for each instruction decoded.</summary>
internal static class InstructionFamilies
{
    /// <summary>The family of an instruction of a class.</summary>
    public static InstructionFamily Of(in Instruction i, InstructionClass @class) => @class switch
    {
        InstructionClass.PassThrough or InstructionClass.Divide or InstructionClass.Assisted => InstructionFamily.Host,
        InstructionClass.Special => OfSpecial(i),
        _ => i.Mnemonic switch
        {
            // Not offered as features, but with an answer of their own: KVM's hypercalls, and #GP instead of #UD.
            Mnemonic.Vmcall or Mnemonic.Vmmcall => InstructionFamily.Hypercall,
            Mnemonic.Rdpmc => InstructionFamily.Identify,
            _ => InstructionFamily.Undefined,
        },
    };

    private static InstructionFamily OfSpecial(in Instruction i)
    {
        if (i.IsStringInstruction) return InstructionFamily.String;
        switch (i.FlowControl)
        {
            case FlowControl.UnconditionalBranch or FlowControl.IndirectBranch or FlowControl.ConditionalBranch or FlowControl.Return:
                if (i.Mnemonic == Mnemonic.Rsm) return InstructionFamily.Undefined;
                return i.Mnemonic is Mnemonic.Sysret or Mnemonic.Sysretq or Mnemonic.Sysexit or Mnemonic.Sysexitq ? InstructionFamily.SystemCall : InstructionFamily.Control;
            case FlowControl.XbeginXabortXend: return InstructionFamily.Control;
            case FlowControl.Call or FlowControl.IndirectCall or FlowControl.Interrupt:
                return i.Mnemonic switch
                {
                    Mnemonic.Call or Mnemonic.Int or Mnemonic.Int3 or Mnemonic.Int1 or Mnemonic.Into => InstructionFamily.Control,
                    Mnemonic.Syscall or Mnemonic.Sysenter => InstructionFamily.SystemCall,
                    _ => InstructionFamily.Undefined,
                };
        }
        return OfMnemonic(i);
    }

    private static InstructionFamily OfMnemonic(in Instruction i)
    {
        switch (i.Mnemonic)
        {
            case Mnemonic.Push or Mnemonic.Pop or Mnemonic.Pusha or Mnemonic.Pushad or Mnemonic.Popa or Mnemonic.Popad or Mnemonic.Pushf or Mnemonic.Pushfd
                or Mnemonic.Pushfq or Mnemonic.Popf or Mnemonic.Popfd or Mnemonic.Popfq or Mnemonic.Enter or Mnemonic.Leave: return InstructionFamily.Stack;
            case Mnemonic.Cli or Mnemonic.Sti or Mnemonic.Cld or Mnemonic.Std or Mnemonic.Clac or Mnemonic.Stac: return InstructionFamily.Flag;
            case Mnemonic.Aaa or Mnemonic.Aas or Mnemonic.Aam or Mnemonic.Aad or Mnemonic.Daa or Mnemonic.Das or Mnemonic.Bound or Mnemonic.Salc:
                return InstructionFamily.Decimal;
            case Mnemonic.Les or Mnemonic.Lds or Mnemonic.Lss or Mnemonic.Lfs or Mnemonic.Lgs: return InstructionFamily.FarPointer;
            case Mnemonic.Lar or Mnemonic.Lsl or Mnemonic.Verr or Mnemonic.Verw: return InstructionFamily.InspectSelector;
            case Mnemonic.Arpl: return InstructionFamily.AdjustRpl;
            case Mnemonic.Lgdt or Mnemonic.Lidt or Mnemonic.Sgdt or Mnemonic.Sidt or Mnemonic.Sldt or Mnemonic.Str or Mnemonic.Lldt or Mnemonic.Ltr
                or Mnemonic.Invlpg or Mnemonic.Invpcid or Mnemonic.Invd or Mnemonic.Wbinvd or Mnemonic.Wbnoinvd or Mnemonic.Swapgs
                or Mnemonic.Rdfsbase or Mnemonic.Rdgsbase or Mnemonic.Wrfsbase or Mnemonic.Wrgsbase: return InstructionFamily.Table;
            case Mnemonic.Lmsw: return InstructionFamily.LoadStatusWord;
            case Mnemonic.Smsw: return InstructionFamily.StoreStatusWord;
            case Mnemonic.Clts: return InstructionFamily.ClearTaskSwitched;
            case Mnemonic.Xsetbv: return InstructionFamily.SetExtended;
            case Mnemonic.Xgetbv: return InstructionFamily.GetExtended;
            case Mnemonic.Cpuid or Mnemonic.Rdtsc or Mnemonic.Rdtscp or Mnemonic.Rdpid or Mnemonic.Rdpkru or Mnemonic.Wrpkru or Mnemonic.Rdpmc or Mnemonic.Rdmsr or Mnemonic.Wrmsr:
                return InstructionFamily.Identify;
            case Mnemonic.Xabort or Mnemonic.Xend or Mnemonic.Xtest: return InstructionFamily.Control;
            case Mnemonic.In or Mnemonic.Out: return InstructionFamily.Port;
            case Mnemonic.Hlt: return InstructionFamily.Halt;
            case Mnemonic.Nop or Mnemonic.Pause: return InstructionFamily.Nothing;
            case Mnemonic.Mov: return OfMove(i);
            default: return InstructionFamily.Undefined;
        }
    }

    private static InstructionFamily OfMove(in Instruction i)
    {
        Register special = i.Op0Kind == OpKind.Register && GuestRegisters.Size(i.Op0Register) == 0 ? i.Op0Register : i.Op1Register;
        return special switch
        {
            >= Register.ES and <= Register.GS => special == i.Op0Register && i.Op0Kind == OpKind.Register ? InstructionFamily.LoadSegment : InstructionFamily.StoreSegment,
            >= Register.CR0 and <= Register.CR15 => InstructionFamily.ControlRegister,
            >= Register.DR0 and <= Register.DR15 => InstructionFamily.DebugRegister,
            _ => InstructionFamily.Undefined,
        };
    }
}
