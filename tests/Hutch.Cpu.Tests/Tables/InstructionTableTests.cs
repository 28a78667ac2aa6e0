using System;
using Hutch.Cpu.Tables;
using Iced.Intel;
using Xunit;

namespace Hutch.Cpu.Tests.Tables;

public sealed class InstructionTableTests
{
    [Theory]
    [InlineData("01 18", InstructionClass.PassThrough, FormTraits.Reads | FormTraits.Writes, 4)]             // add [rax],ebx
    [InlineData("8B 18", InstructionClass.PassThrough, FormTraits.Reads, 4)]                                  // mov ebx,[rax]
    [InlineData("89 18", InstructionClass.PassThrough, FormTraits.Writes, 4)]                                 // mov [rax],ebx
    [InlineData("8D 58 10", InstructionClass.PassThrough, FormTraits.None, 0)]                                // lea ebx,[rax+16]
    [InlineData("0F A3 18", InstructionClass.PassThrough, FormTraits.Reads | FormTraits.BitString, 4)]        // bt [rax],ebx
    [InlineData("0F BA 28 05", InstructionClass.PassThrough, FormTraits.Reads | FormTraits.Writes, 4)]        // bts [rax],5
    [InlineData("48 0F C7 08", InstructionClass.PassThrough, FormTraits.Reads | FormTraits.Writes | FormTraits.Aligned, 16)] // cmpxchg16b [rax]
    [InlineData("F7 F3", InstructionClass.Divide, FormTraits.None, 0)]                                        // div ebx
    [InlineData("0F 58 00", InstructionClass.PassThrough, FormTraits.Vector | FormTraits.Sse | FormTraits.FpArithmetic | FormTraits.Reads | FormTraits.Aligned, 16)] // addps xmm0,[rax]
    [InlineData("0F 10 00", InstructionClass.PassThrough, FormTraits.Vector | FormTraits.Sse | FormTraits.Reads, 16)] // movups xmm0,[rax]
    [InlineData("C5 F4 58 00", InstructionClass.PassThrough, FormTraits.Vector | FormTraits.Avx | FormTraits.FpArithmetic | FormTraits.Reads, 32)] // vaddps ymm0,ymm1,[rax]
    [InlineData("C5 FC 29 00", InstructionClass.PassThrough, FormTraits.Vector | FormTraits.Avx | FormTraits.Writes | FormTraits.Aligned, 32)] // vmovaps [rax],ymm0
    [InlineData("DB 28", InstructionClass.PassThrough, FormTraits.X87 | FormTraits.Waits | FormTraits.FpArithmetic | FormTraits.Reads, 10)] // fld tbyte [rax]
    [InlineData("DF E0", InstructionClass.PassThrough, FormTraits.X87, 0)]                                    // fnstsw ax
    [InlineData("C4 E2 78 F2 18", InstructionClass.PassThrough, FormTraits.Reads, 4)]                         // andn ebx,eax,[rax]
    [InlineData("C4 E2 65 90 04 08", InstructionClass.Assisted, FormTraits.Vector | FormTraits.Avx | FormTraits.Reads, 4)] // vpgatherdd
    [InlineData("F3 0F 1E FA", InstructionClass.PassThrough, FormTraits.NoEffect, 0)]                         // endbr64
    [InlineData("0F 1F 40 00", InstructionClass.PassThrough, FormTraits.NoEffect, 0)]                         // nop [rax]
    [InlineData("FF 30", InstructionClass.Special, FormTraits.Reads, 8)]                                      // push [rax]
    [InlineData("8E D8", InstructionClass.Special, FormTraits.None, 0)]                                       // mov ds,eax
    [InlineData("A4", InstructionClass.Special, FormTraits.None, 0)]                                          // movsb
    [InlineData("0F 0B", InstructionClass.Undefined, FormTraits.None, 0)]                                     // ud2
    [InlineData("62 F1 7C 48 58 C0", InstructionClass.Undefined, FormTraits.None, 0)]                         // vaddps zmm
    [InlineData("0F 01 D5", InstructionClass.Special, FormTraits.None, 0)]                                    // xend
    public void Forms_are_classified_as_the_manual_describes_them(string hex, object @class, object traits, byte size)
    {
        Decoder decoder = Decoder.Create(64, new ByteArrayCodeReader(hex));
        Instruction instruction = decoder.Decode();
        InstructionForm form = InstructionTable.Get(instruction);
        Assert.Equal(((InstructionClass)@class, (FormTraits)traits, size), (form.Class, form.Traits, form.MemorySize));
    }

    [Fact]
    public void Every_code_has_a_class()
    {
        int passThrough = 0;
        foreach (Code code in Enum.GetValues<Code>())
        {
            Instruction instruction = default;
            instruction.Code = code;
            if (InstructionTable.Get(instruction).Class == InstructionClass.PassThrough) passThrough++;
        }
        Assert.InRange(passThrough, 1000, 3000);
    }
}
