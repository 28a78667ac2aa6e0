using Hutch.Core.Engine;
using Hutch.Cpu.Interpreter;
using Hutch.Cpu.State;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Cpu.Tests.Interpreter;

/// <summary>Intel SDM 3A chapter 6.</summary>
public sealed unsafe class ExceptionDeliveryTests
{
    [Fact]
    public void Real_mode_interrupt_pushes_flags_cs_ip()
    {
        using TestCpu t = TestCpu.Real();
        t.C->Rflags = 0x303 & ~0x100UL;
        t.Code(a => a.@int(0x21));
        Assert.Equal(0x21, t.Run());
        Assert.Equal(TestCpu.Stack - 6, t.Rsp);
        Assert.Equal(TestCpu.CodeStart + 2, t.Get<ushort>(t.Rsp));
        Assert.Equal(0x203, t.Get<ushort>(t.Rsp + 4));
        Assert.Equal(0, t.C->InterruptFlag);
    }

    [Fact]
    public void Fault_in_64_bit_mode_pushes_error_code_on_aligned_stack_with_rf()
    {
        using TestCpu t = TestCpu.Long();
        t.Rsp = 0x8008;
        t.Code(a => a.mov(rax, __qword_ptr[0x40_0000]));
        Assert.Equal(14, t.Run());
        Assert.Equal(0x8000UL - 48, t.Rsp);
        Assert.Equal(0UL, t.Get<ulong>(t.Rsp));
        Assert.Equal(TestCpu.CodeStart, t.Get<ulong>(t.Rsp + 8));
        Assert.Equal(TestCpu.Code64, t.Get<ulong>(t.Rsp + 16));
        Assert.Equal(0x10002UL, t.Get<ulong>(t.Rsp + 24));
        Assert.Equal(0x8008UL, t.Get<ulong>(t.Rsp + 32));
        Assert.Equal(0x40_0000UL, t.C->Cr2);
    }

    [Fact]
    public void User_fault_switches_to_rsp0_with_null_ss()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        t.Code(a => a.hlt());
        Assert.Equal(13, t.Run());
        Assert.Equal(0, t.C->Cpl);
        Assert.Equal(0, t.Selector(Seg.Ss));
        Assert.Equal(TestCpu.KernelStack - 48, t.Rsp);
        Assert.Equal(TestCpu.UserData, t.Get<ulong>(t.Rsp + 40));
        Assert.Equal(TestCpu.UserCode64, t.Get<ulong>(t.Rsp + 16));
    }

    [Fact]
    public void Ist_stack_is_used_without_privilege_change()
    {
        using TestCpu t = TestCpu.Long();
        t.Gate(6, 14, ist: 1);
        t.Code(a => a.ud2());
        Assert.Equal(6, t.Run());
        Assert.Equal(TestCpu.IstStack - 40, t.Rsp);
    }

    [Fact]
    public void Software_interrupt_through_a_dpl_0_gate_from_user_is_gp_with_idt_error_code()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        t.Code(a => a.@int(0x40));
        Assert.Equal(13, t.Run());
        Assert.Equal((0x40UL << 3) | 2, t.Get<ulong>(t.Rsp));
        Assert.Equal(TestCpu.CodeStart, t.Get<ulong>(t.Rsp + 8));
    }

    [Fact]
    public void External_interrupt_through_an_absent_gate_is_np_with_ext()
    {
        using TestCpu t = TestCpu.Long();
        t.Gate(0x40, 14, present: false);
        Assert.True(t.Cpu.Interpreter.DeliverInterrupt(0x40));
        Assert.Equal(11, t.Run());
        Assert.Equal((0x40UL << 3) | 3, t.Get<ulong>(t.Rsp));
    }

    [Fact]
    public void Gp_during_page_fault_delivery_is_a_double_fault_with_error_0()
    {
        using TestCpu t = TestCpu.Long();
        t.Gate(14, 14, selector: 0);
        t.Code(a => a.mov(rax, __qword_ptr[0x40_0000]));
        Assert.Equal(8, t.Run());
        Assert.Equal(0UL, t.Get<ulong>(t.Rsp));
        Assert.Equal(TestCpu.CodeStart, t.Get<ulong>(t.Rsp + 8));
    }

    [Fact]
    public void Fault_during_a_benign_exception_is_delivered_itself()
    {
        using TestCpu t = TestCpu.Long();
        t.Gate(6, 14, present: false);
        t.Code(a => a.ud2());
        Assert.Equal(11, t.Run());
        Assert.Equal((6UL << 3) | 3, t.Get<ulong>(t.Rsp));
    }

    [Fact]
    public void Fault_during_a_double_fault_is_a_triple_fault()
    {
        using TestCpu t = TestCpu.Long();
        t.C->Idtr.Limit = 0;
        t.Code(a => a.ud2());
        Assert.Equal(StepResult.TripleFault, t.Step());
    }

    [Fact]
    public void Protected_mode_interrupt_from_user_switches_stacks()
    {
        using TestCpu t = TestCpu.Protected(cpl: 3);
        t.Gate(0x80, 15, dpl: 3);
        t.C->Rflags |= Flags.If;
        t.Code(a => a.@int(0x80));
        Assert.Equal(0x80, t.Run());
        Assert.Equal(TestCpu.KernelStack - 20, t.Rsp);
        Assert.Equal((uint)TestCpu.CodeStart + 2, t.Get<uint>(t.Rsp));
        Assert.Equal(TestCpu.UserCode32, t.Get<uint>(t.Rsp + 4));
        Assert.Equal((uint)TestCpu.UserStack, t.Get<uint>(t.Rsp + 12));
        Assert.Equal(TestCpu.UserData, t.Get<uint>(t.Rsp + 16));
        Assert.Equal(1, t.C->InterruptFlag);
    }

    [Fact]
    public void Sixteen_bit_gate_pushes_words()
    {
        using TestCpu t = TestCpu.Protected();
        t.Gate(0x30, 6);
        t.Code(a => a.@int(0x30));
        Assert.Equal(0x30, t.Run());
        Assert.Equal(TestCpu.Stack - 6, t.Rsp);
    }

    [Fact]
    public void Bad_stack_selector_in_the_tss_is_ts_with_that_selector()
    {
        using TestCpu t = TestCpu.Protected(cpl: 3);
        t.Gate(0x80, 15, dpl: 3);
        t.Gate(10, 14, selector: TestCpu.Conforming);
        t.Put(TestCpu.Tss + 8, (uint)TestCpu.Code32);
        t.Code(a => a.@int(0x80));
        t.Step();
        Assert.Equal(TestCpu.Handlers + 160, t.C->Rip);
        Assert.Equal(TestCpu.Code32, t.Get<uint>(t.Rsp));
        Assert.Equal(3, t.C->Cpl);
    }

    [Fact]
    public void Virtual_8086_fault_pushes_and_clears_data_segments()
    {
        using TestCpu t = TestCpu.Protected();
        EnterVirtual8086(t);
        t.Bytes([0x0f, 0x20, 0xc0]);
        Assert.Equal(13, t.Run());
        Assert.Equal(0UL, t.C->SystemFlags & Flags.Vm);
        Assert.Equal(TestCpu.KernelStack - 40, t.Rsp);
        Assert.Equal(0x1111u, t.Get<uint>(TestCpu.KernelStack - 4));
        Assert.Equal(0x2222u, t.Get<uint>(TestCpu.KernelStack - 16));
        Assert.Equal(0, t.Selector(Seg.Gs));
    }

    [Fact]
    public void Virtual_8086_software_interrupt_needs_iopl_3()
    {
        using TestCpu t = TestCpu.Protected();
        EnterVirtual8086(t);
        t.Gate(0x21, 14, dpl: 3);
        t.Code(a => a.@int(0x21));
        Assert.Equal(13, t.Run());
        Assert.Equal(0u, t.Get<uint>(t.Rsp));
    }

    [Fact]
    public void Iretd_returns_to_virtual_8086_mode()
    {
        using TestCpu t = TestCpu.Protected();
        uint[] frame = [0x100, 0x500, 0x20202, 0x7000, 0x20, 0x2222, 0x3333, 0x4444, 0x1111];
        t.Rsp = TestCpu.Stack - 36;
        for (int n = 0; n < frame.Length; n++) t.Put(t.Rsp + (ulong)n * 4, frame[n]);
        t.Code(a => a.iretd());
        t.Step();
        Assert.NotEqual(0UL, t.C->SystemFlags & Flags.Vm);
        Assert.Equal(3, t.C->Cpl);
        Assert.Equal(0x5000UL, t.C->Segments[(int)Seg.Cs].Base);
        Assert.Equal(0x3333, t.Selector(Seg.Ds));
        Assert.Equal(0x7000UL, t.Rsp);
    }

    [Fact]
    public void Instruction_longer_than_15_bytes_is_gp()
    {
        using TestCpu t = TestCpu.Long();
        t.Bytes([0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90, 0x66, 0x90]);
        t.Step();
        Assert.Equal(TestCpu.CodeStart + 15, t.C->Rip);
        t.C->Rip = TestCpu.CodeStart - 1;
        t.Bytes([0x66]);
        Assert.Equal(13, t.Run());
    }

    [Fact]
    public void Fetch_fault_reports_the_second_page_of_an_instruction()
    {
        using TestCpu t = TestCpu.Long();
        t.C->Rip = 0x20_0000 - 2;
        t.Put(TestCpu.PageTables + 0x4000, 0UL);
        t.Put(t.C->Rip, (ushort)0x8b48);
        Assert.Equal(14, t.Run());
        Assert.Equal(0x20_0000UL, t.C->Cr2);
        Assert.Equal(16UL, t.Get<ulong>(t.Rsp));
        Assert.Equal(0x20_0000UL - 2, t.Get<ulong>(t.Rsp + 8));
    }

    [Fact]
    public void Divide_error_leaves_rip_at_the_division()
    {
        using TestCpu t = TestCpu.Long();
        t.Rbx = 0;
        t.Code(a => a.div(rbx));
        Assert.Equal(0, t.Run());
        Assert.Equal(TestCpu.CodeStart, t.Get<ulong>(t.Rsp));
    }

    private static void EnterVirtual8086(TestCpu t)
    {
        t.C->Rflags = Flags.Vm | 2;
        t.C->Cpl = 3;
        ushort[] selectors = [0x2222, 0, 0, 0x3333, 0x4444, 0x1111];
        for (int n = 0; n < 6; n++)
            t.C->Segments[n] = new SegmentState { Selector = selectors[n], Base = (ulong)selectors[n] << 4, Limit = 0xffff, Attributes = 0xf3 };
        t.Cpu.UpdateMode();
    }
}
