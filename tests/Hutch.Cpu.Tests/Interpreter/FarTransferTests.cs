using Hutch.Cpu.State;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Cpu.Tests.Interpreter;

/// <summary>JMP far, CALL far, RETF, IRET, task switches (Intel SDM 3A §5.8, chapter 7).</summary>
public sealed unsafe class FarTransferTests
{
    [Fact]
    public void Far_jump_to_user_code_from_the_kernel_is_gp()
    {
        using TestCpu t = TestCpu.Protected();
        t.Code(a => a.jmp(TestCpu.UserCode32, 0x5100));
        Assert.Equal(13, t.Run());
        Assert.Equal(TestCpu.UserCode32 & 0xfffcu, t.Get<uint>(t.Rsp));
    }

    [Fact]
    public void Far_jump_switches_code_size()
    {
        using TestCpu t = TestCpu.Protected();
        t.Code(a => a.jmp(TestCpu.Code16, 0x5100)).Step();
        Assert.Equal(TestCpu.Code16, t.Selector(Seg.Cs));
        Assert.Equal(0u, t.C->Mode & (uint)BlockMode.Code32);
        Assert.Equal(0x5100UL, t.C->Rip);
    }

    [Fact]
    public void Call_gate_to_an_inner_level_copies_parameters()
    {
        using TestCpu t = TestCpu.Protected(cpl: 3);
        CallGate(t, TestCpu.Code32, 0x5200, 2);
        t.Put(t.Rsp, 0xaaaa_0001u);
        t.Put(t.Rsp + 4, 0xaaaa_0002u);
        t.Code(a => a.call(TestCpu.Free | 3, 0));
        t.Step();
        Assert.Equal(0x5200UL, t.C->Rip);
        Assert.Equal(0, t.C->Cpl);
        Assert.Equal(TestCpu.KernelStack - 24, t.Rsp);
        Assert.Equal((uint)TestCpu.CodeStart + 7, t.Get<uint>(t.Rsp));
        Assert.Equal(0xaaaa_0001u, t.Get<uint>(t.Rsp + 8));
        Assert.Equal(0xaaaa_0002u, t.Get<uint>(t.Rsp + 12));
        Assert.Equal((uint)TestCpu.UserStack, t.Get<uint>(t.Rsp + 16));

        t.Code(a => a.retf(8)).Step();
        Assert.Equal(3, t.C->Cpl);
        Assert.Equal(TestCpu.UserStack + 8, t.Rsp);
        Assert.Equal(TestCpu.CodeStart + 7, t.C->Rip);
    }

    [Fact]
    public void Long_mode_call_gate_switches_to_rsp0()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        CallGate(t, TestCpu.Code64, 0x5200, 0);
        t.Put(TestCpu.Gdt + TestCpu.Free + 8, 0UL);
        t.Put(TestCpu.Data, 0u);
        t.Put(TestCpu.Data + 4, (ushort)(TestCpu.Free | 3));
        t.Rbx = TestCpu.Data;
        t.Bytes([0xff, 0x1b]);
        t.Step();
        Assert.Equal(0x5200UL, t.C->Rip);
        Assert.Equal(TestCpu.KernelStack - 32, t.Rsp);
        Assert.Equal(TestCpu.CodeStart + 2, t.Get<ulong>(t.Rsp));
        Assert.Equal(TestCpu.UserData, t.Get<ulong>(t.Rsp + 24));
    }

    [Fact]
    public void Return_to_user_drops_kernel_data_segments()
    {
        using TestCpu t = TestCpu.Protected();
        uint[] frame = [0x5300, TestCpu.UserCode32, 0x202, (uint)TestCpu.UserStack, TestCpu.UserData];
        t.Rsp -= 20;
        for (int n = 0; n < frame.Length; n++) t.Put(t.Rsp + (ulong)n * 4, frame[n]);
        t.Code(a => a.iretd()).Step();
        Assert.Equal(3, t.C->Cpl);
        Assert.Equal(0, t.Selector(Seg.Ds));
        Assert.NotEqual(0u, t.C->Segments[(int)Seg.Ds].Attributes & 0x10000);
        Assert.Equal(1, t.C->InterruptFlag);
        Assert.Equal(TestCpu.UserStack, t.Rsp);
    }

    [Fact]
    public void Iretq_always_pops_the_stack_and_keeps_iopl_from_user()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        ulong[] frame = [0x5300, TestCpu.UserCode64, 0x3202, 0xb800, TestCpu.UserData];
        t.Rsp -= 40;
        for (int n = 0; n < frame.Length; n++) t.Put(t.Rsp + (ulong)n * 8, frame[n]);
        t.Code(a => a.iretq()).Step();
        Assert.Equal(0x5300UL, t.C->Rip);
        Assert.Equal(0xb800UL, t.Rsp);
        Assert.Equal(0UL, t.C->SystemFlags & Flags.Iopl);
        Assert.Equal(0, t.C->InterruptFlag);
    }

    [Fact]
    public void Segments_dropped_on_return_to_user_keep_their_base()
    {
        using TestCpu t = TestCpu.Long();
        t.C->Segments[(int)Seg.Gs].Base = 0x1234_5000;
        ulong[] frame = [0x5300, TestCpu.UserCode64, 0x202, 0xb800, TestCpu.UserData];
        t.Rsp -= 40;
        for (int n = 0; n < frame.Length; n++) t.Put(t.Rsp + (ulong)n * 8, frame[n]);
        t.Code(a => a.iretq()).Step();
        Assert.Equal(0, t.Selector(Seg.Gs));
        Assert.Equal(0x1234_5000UL, t.C->Segments[(int)Seg.Gs].Base);
    }

    [Fact]
    public void Iretq_with_null_stack_to_user_is_gp_0()
    {
        using TestCpu t = TestCpu.Long();
        ulong[] frame = [0x5300, TestCpu.UserCode64, 0x202, 0xb800, 0];
        t.Rsp -= 40;
        for (int n = 0; n < frame.Length; n++) t.Put(t.Rsp + (ulong)n * 8, frame[n]);
        t.Code(a => a.iretq());
        Assert.Equal(13, t.Run());
        Assert.Equal(0UL, t.Get<ulong>(t.Rsp));
        Assert.Equal(0, t.C->Cpl);
    }

    [Fact]
    public void Return_to_compatibility_mode_truncates_rip()
    {
        using TestCpu t = TestCpu.Long();
        ulong[] frame = [0x5300, TestCpu.UserCode32, 0x202, TestCpu.UserStack, TestCpu.UserData];
        t.Rsp -= 40;
        for (int n = 0; n < frame.Length; n++) t.Put(t.Rsp + (ulong)n * 8, frame[n]);
        t.Code(a => a.iretq()).Step();
        Assert.Equal((uint)BlockMode.Code32, t.C->Mode & (uint)(BlockMode.Code32 | BlockMode.Long64));
        t.Code(a => a.ud2());
        Assert.Equal(6, t.Run());
        Assert.Equal(TestCpu.UserCode32, t.Get<ulong>(t.Rsp + 8));
    }

    [Fact]
    public void Compatibility_mode_reaches_tables_above_4_gib()
    {
        using TestCpu t = TestCpu.Long();
        // The same page tables serve the upper half, so the GDT and IDT are there, too.
        t.Put(TestCpu.PageTables + 511 * 8, t.Get<ulong>(TestCpu.PageTables));
        const ulong high = 0xffff_ff80_0000_0000;
        t.C->Gdtr.Base = high + TestCpu.Gdt;
        t.C->Idtr.Base = high + TestCpu.Idt;
        t.C->Segments[(int)Seg.Tr].Base = high + TestCpu.Tss;
        t.Put(TestCpu.Tss + 4, high + TestCpu.KernelStack + 16);
        ulong[] frame = [0x5300, TestCpu.UserCode32, 0x202, TestCpu.UserStack, TestCpu.UserData];
        t.Rsp -= 40;
        for (int n = 0; n < frame.Length; n++) t.Put(t.Rsp + (ulong)n * 8, frame[n]);
        t.Gate(0x80, 14, dpl: 3);
        t.Rax = TestCpu.UserData;
        t.Code(a => a.iretq()).Step();
        t.Code(a =>
        {
            a.mov(es, ax);
            a.@int(0x80);
        });
        Assert.Equal(0x80, t.Run());
        Assert.Equal(TestCpu.UserData, t.Selector(Seg.Es));
        Assert.Equal(high + TestCpu.KernelStack + 16 - 40, t.Rsp);
        Assert.Equal(TestCpu.UserCode32, t.Get<ulong>(TestCpu.KernelStack + 16 - 32));
    }

    [Fact]
    public void Task_switch_saves_loads_and_marks_busy()
    {
        using TestCpu t = TestCpu.Protected();
        t.Describe(TestCpu.SecondTssSelector, (uint)TestCpu.SecondTss, 0x67, 0x89);
        SecondTask(t);
        t.Rbx = 0x1234;
        t.Code(a => a.call(TestCpu.SecondTssSelector, 0));
        t.Code(a => a.iretd(), 0x5400);
        t.Step();
        Assert.Equal(0x5400UL, t.C->Rip);
        Assert.Equal(0x77UL, t.Rbx);
        Assert.Equal(TestCpu.SecondTssSelector, t.Selector(Seg.Tr));
        Assert.NotEqual(0UL, t.C->SystemFlags & Flags.Nt);
        Assert.NotEqual(0UL, t.C->Cr0 & 8);
        Assert.Equal(0x1234u, t.Get<uint>(TestCpu.Tss + 0x34));
        Assert.Equal(TestCpu.TssSelector, t.Get<ushort>(TestCpu.SecondTss));
        Assert.Equal(0x8b, t.Get<byte>(TestCpu.Gdt + TestCpu.SecondTssSelector + 5));
        t.Step();
        Assert.Equal(TestCpu.CodeStart + 7, t.C->Rip);
        Assert.Equal(0x1234UL, t.Rbx);
        Assert.Equal(TestCpu.TssSelector, t.Selector(Seg.Tr));
        Assert.Equal(0x89, t.Get<byte>(TestCpu.Gdt + TestCpu.SecondTssSelector + 5));
        Assert.Equal(0UL, t.C->SystemFlags & Flags.Nt);
    }

    [Fact]
    public void Exception_through_a_task_gate_pushes_its_error_code_in_the_new_task()
    {
        using TestCpu t = TestCpu.Protected();
        t.Describe(TestCpu.SecondTssSelector, (uint)TestCpu.SecondTss, 0x67, 0x89);
        SecondTask(t);
        t.Gate(13, 5, selector: TestCpu.SecondTssSelector);
        t.Rax = TestCpu.UserCode32;
        t.Code(a => a.mov(ss, ax));
        t.Code(a => a.hlt(), 0x5400);
        Assert.Equal(-1, t.Run());
        Assert.Equal(TestCpu.UserCode32 & 0xfffcu, t.Get<uint>(t.Rsp));
        Assert.Equal((uint)TestCpu.CodeStart, t.Get<uint>(TestCpu.Tss + 0x20));
    }

    [Fact]
    public void Near_jump_beyond_the_code_limit_is_gp_at_the_jump()
    {
        using TestCpu t = TestCpu.Protected();
        t.C->Segments[(int)Seg.Cs].Limit = 0x6fff;
        t.Rax = 0x7000;
        t.Code(a => a.jmp(eax));
        Assert.Equal(13, t.Run());
        Assert.Equal((uint)TestCpu.CodeStart, t.Get<uint>(t.Rsp + 4));
    }

    [Fact]
    public void Loop_and_call_use_the_right_widths_in_16_bit_code()
    {
        using TestCpu t = TestCpu.Real();
        t.Rcx = 0x1_0003;
        t.Code(a =>
        {
            Iced.Intel.Label top = a.CreateLabel();
            a.Label(ref top);
            a.inc(ax);
            a.loop(top);
            a.hlt();
        });
        Assert.Equal(-1, t.Run());
        Assert.Equal(3UL, t.Rax);
        Assert.Equal(0x1_0000UL, t.Rcx);
    }

    private static void CallGate(TestCpu t, ushort selector, uint offset, uint count) =>
        t.Put(TestCpu.Gdt + TestCpu.Free, (offset & 0xffff) | ((ulong)selector << 16) | ((ulong)count << 32) | (0xecUL << 40) | ((ulong)(offset >> 16) << 48));

    private static void SecondTask(TestCpu t)
    {
        const ulong at = TestCpu.SecondTss;
        t.Put(at + 0x20, 0x5400u);
        t.Put(at + 0x24, 2u);
        t.Put(at + 0x34, 0x77u);
        t.Put(at + 0x38, 0x7800u);
        ushort[] segments = [TestCpu.Data32, TestCpu.Code32, TestCpu.Data32, TestCpu.Data32, 0, 0];
        for (int n = 0; n < 6; n++) t.Put(at + 0x48 + (ulong)n * 4, (uint)segments[n]);
    }
}
