using Hutch.Cpu.Interpreter;
using Hutch.Cpu.State;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Cpu.Tests.Interpreter;

/// <summary>Stack, flag, string, decimal and system instructions.</summary>
public sealed unsafe class InstructionTests
{
    [Fact]
    public void Reset_state_is_that_of_the_manual()
    {
        using TestCpu t = TestCpu.Reset();
        Assert.Equal(0xfff0UL, t.C->Rip);
        Assert.Equal(0xffff_0000UL, t.C->Segments[(int)Seg.Cs].Base);
        Assert.Equal(0x6000_0010UL, t.C->Cr0);
        Assert.Equal(2UL, t.C->Rflags);
        Assert.Equal(0x1f80u, *(uint*)(t.C->Xsave + 24));
        Assert.Equal(0u, t.C->Mode & (uint)(BlockMode.Protected | BlockMode.Code32));
    }

    [Fact]
    public void Popf_at_user_level_changes_neither_if_nor_iopl()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        t.C->InterruptFlag = 1;
        t.Rax = 0x3000 | Flags.Cf | Flags.Df | Flags.Id;
        t.Code(a =>
        {
            a.push(rax);
            a.popfq();
            a.pushfq();
            a.pop(rbx);
        }).Steps(4);
        Assert.Equal(Flags.Cf | Flags.Df | Flags.Id | Flags.If | 2, t.Rbx);
    }

    [Fact]
    public void Sixteen_bit_popf_leaves_the_upper_flags()
    {
        using TestCpu t = TestCpu.Protected();
        t.C->Rflags = Flags.Id | Flags.Ac;
        t.Rax = 0x3202;
        t.Code(a =>
        {
            a.push(ax);
            a.popf();
        }).Steps(2);
        Assert.Equal(Flags.Id | Flags.Ac | 0x3202, t.C->Rflags);
    }

    [Fact]
    public void Sti_shadows_one_instruction()
    {
        using TestCpu t = TestCpu.Long();
        t.C->MaskedInterrupt = 1;
        t.Code(a =>
        {
            a.sti();
            a.nop();
            a.sti();
        }).Step();
        Assert.Equal(1, t.C->InterruptShadow);
        Assert.Equal(1, t.C->WindowRequest);
        t.Step();
        Assert.Equal(0, t.C->InterruptShadow);
        t.Step();
        Assert.Equal(0, t.C->InterruptShadow);
    }

    [Fact]
    public void Cli_at_user_level_is_gp()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        t.Code(a => a.cli());
        Assert.Equal(13, t.Run());
    }

    [Fact]
    public void Push_and_pop_of_the_stack_pointer_use_old_and_popped_values()
    {
        using TestCpu t = TestCpu.Long();
        t.Code(a =>
        {
            a.push(rsp);
            a.pop(rsp);
            a.pop(__qword_ptr[rsp]);
        }).Step();
        Assert.Equal(TestCpu.Stack, t.Get<ulong>(TestCpu.Stack - 8));
        t.Step();
        Assert.Equal(TestCpu.Stack, t.Rsp);
        t.Put(TestCpu.Stack, 0x55UL);
        t.Step();
        Assert.Equal(0x55UL, t.Get<ulong>(TestCpu.Stack + 8));
    }

    [Fact]
    public void Enter_copies_the_display()
    {
        using TestCpu t = TestCpu.Protected();
        t.Rbp = 0x7f00;
        t.Put(0x7efcUL, 0x1111u);
        t.Code(a =>
        {
            a.enter(0x10, 2);
            a.leave();
        }).Step();
        Assert.Equal(0x7ffcUL, t.Rbp);
        Assert.Equal(0x1111u, t.Get<uint>(0x7ff8));
        Assert.Equal(0x7ffcu, t.Get<uint>(0x7ff4));
        Assert.Equal(0x7fe4UL, t.Rsp);
        t.Step();
        Assert.Equal(0x7f00UL, t.Rbp);
        Assert.Equal(TestCpu.Stack, t.Rsp);
    }

    [Fact]
    public void Faulting_push_leaves_the_stack_pointer()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        t.Rsp = 0x40_0000 + 8;
        t.Code(a => a.push(rax));
        Assert.Equal(14, t.Run());
        Assert.Equal(6UL, t.Get<ulong>(t.Rsp));
        Assert.Equal(0x40_0008UL, t.Get<ulong>(t.Rsp + 32));
    }

    [Fact]
    public void Rep_movsb_crosses_pages_and_stops_at_a_fault()
    {
        using TestCpu t = TestCpu.Long();
        for (ulong n = 0; n < 0x3000; n += 8) t.Put(0x20_0000 + n, n * 0x0101_0101);
        t.Rsi = 0x20_0123;
        t.Rdi = 0x3f_e800;
        t.Rcx = 0x2000;
        t.Code(a => a.rep.movsb());
        Assert.Equal(14, t.Run());
        Assert.Equal(0x40_0000UL, t.C->Cr2);
        Assert.Equal(0x40_0000UL, t.Rdi);
        Assert.Equal(0x800UL, t.Rcx);
        Assert.Equal(0x20_0123UL + 0x1800, t.Rsi);
        Assert.Equal(TestCpu.CodeStart, t.Get<ulong>(t.Rsp + 8));
        for (ulong n = 0; n < 0x1800; n += 8) Assert.Equal(t.Get<ulong>(0x20_0123 + n), t.Get<ulong>(0x3f_e800 + n));
    }

    [Fact]
    public void Overlapping_rep_movs_replicates()
    {
        using TestCpu t = TestCpu.Long();
        t.Put(TestCpu.Data, (byte)0x5a);
        t.Rsi = TestCpu.Data;
        t.Rdi = TestCpu.Data + 1;
        t.Rcx = 100;
        t.Code(a =>
        {
            a.rep.movsb();
            a.hlt();
        });
        Assert.Equal(-1, t.Run());
        Assert.Equal(0x5a, t.Get<byte>(TestCpu.Data + 100));
        Assert.Equal(0, t.Get<byte>(TestCpu.Data + 101));
    }

    [Fact]
    public void Repne_scasb_finds_a_byte_and_stops_behind_it()
    {
        using TestCpu t = TestCpu.Long();
        t.Put(TestCpu.Data + 77, (byte)0x42);
        t.Rdi = TestCpu.Data;
        t.Rax = 0x42;
        t.Rcx = ulong.MaxValue;
        t.Code(a =>
        {
            a.repne.scasb();
            a.hlt();
        });
        Assert.Equal(-1, t.Run());
        Assert.Equal(TestCpu.Data + 78, t.Rdi);
        Assert.NotEqual(0UL, t.C->ArithmeticFlags & Flags.Zf);
    }

    [Fact]
    public void Rep_stosw_downwards_wraps_in_16_bit_addresses()
    {
        using TestCpu t = TestCpu.Real();
        t.C->DirectionFlag = 1;
        t.C->Segments[(int)Seg.Es].Base = 0x2_0000;
        t.Rax = 0xbeef;
        t.Rdi = 2;
        t.Rcx = 3;
        t.Code(a =>
        {
            a.rep.stosw();
            a.hlt();
        });
        Assert.Equal(-1, t.Run());
        Assert.Equal(0xbeef, t.Get<ushort>(0x2_0000));
        Assert.Equal(0xbeef, t.Get<ushort>(0x2_fffe));
        Assert.Equal(0xfffcUL, t.Rdi);
    }

    [Fact]
    public void Repe_cmpsb_stops_at_the_first_difference()
    {
        using TestCpu t = TestCpu.Protected();
        t.Put(TestCpu.Data + 10, (byte)3);
        t.Put(TestCpu.Data + 0x100 + 10, (byte)5);
        t.Rsi = TestCpu.Data;
        t.Rdi = TestCpu.Data + 0x100;
        t.Rcx = 50;
        t.Code(a =>
        {
            a.repe.cmpsb();
            a.hlt();
        });
        Assert.Equal(-1, t.Run());
        Assert.Equal(39UL, t.Rcx);
        Assert.NotEqual(0UL, t.C->ArithmeticFlags & Flags.Cf);
    }

    [Theory]
    [InlineData(0x0f, 0x00, 0x0105, true)]
    [InlineData(0x05, 0x00, 0x0005, false)]
    public void Aaa_adjusts_ax(int al, int flags, int expected, bool carry)
    {
        using TestCpu t = TestCpu.Protected();
        t.Rax = (ulong)al;
        t.C->ArithmeticFlags = (ulong)flags;
        t.Code(a => a.aaa()).Step();
        Assert.Equal((ulong)expected, t.Rax);
        Assert.Equal(carry, (t.C->ArithmeticFlags & Flags.Cf) != 0);
    }

    [Fact]
    public void Daa_and_das_adjust_packed_digits()
    {
        using TestCpu t = TestCpu.Protected();
        t.Rax = 0x9c;
        t.Code(a =>
        {
            a.daa();
            a.das();
        }).Step();
        Assert.Equal(0x02UL, t.Rax);
        Assert.NotEqual(0UL, t.C->ArithmeticFlags & Flags.Cf);
        t.Step();
        Assert.Equal(0x9cUL, t.Rax);
    }

    [Fact]
    public void Bound_and_into_raise_their_vectors()
    {
        using TestCpu t = TestCpu.Protected();
        t.Put(TestCpu.Data, 5u);
        t.Put(TestCpu.Data + 4, 10u);
        t.Rax = 11;
        t.Code(a => a.bound(eax, __qword_ptr[TestCpu.Data]));
        Assert.Equal(5, t.Run());
        t.C->Rip = TestCpu.CodeStart;
        t.C->ArithmeticFlags = Flags.Of;
        t.Code(a => a.into());
        Assert.Equal(4, t.Run());
        Assert.Equal((uint)TestCpu.CodeStart + 1, t.Get<uint>(t.Rsp));
    }

    [Fact]
    public void Single_step_traps_after_the_instruction()
    {
        using TestCpu t = TestCpu.Long();
        t.C->SystemFlags |= (uint)Flags.Tf;
        t.Cpu.UpdateMode();
        t.Code(a => a.inc(rax));
        Assert.Equal(1, t.Run());
        Assert.Equal(1UL, t.Rax);
        Assert.Equal(TestCpu.CodeStart + 3, t.Get<ulong>(t.Rsp));
        Assert.Equal(0x102UL, t.Get<ulong>(t.Rsp + 16));
        Assert.Equal(1UL << 14, t.C->Dr[6] & (1 << 14));
    }

    [Fact]
    public void Breakpoints_on_execution_and_data_hit()
    {
        using TestCpu t = TestCpu.Long();
        t.C->Dr[0] = TestCpu.CodeStart;
        t.C->Dr[7] = 0x401;
        t.Cpu.UpdateMode();
        t.Code(a => a.mov(__dword_ptr[TestCpu.Data], eax));
        Assert.Equal(1, t.Run());
        Assert.Equal(1UL, t.C->Dr[6] & 15);
        Assert.Equal(TestCpu.CodeStart, t.Get<ulong>(t.Rsp));
        t.C->Rip = TestCpu.CodeStart;
        t.C->Dr[1] = TestCpu.Data;
        t.C->Dr[7] = 0x408 | (0xdUL << 20);
        Assert.Equal(1, t.Run());
        Assert.Equal(2UL, t.C->Dr[6] & 15);
        Assert.Equal(TestCpu.CodeStart + 9, t.Get<ulong>(t.Rsp));
    }

    [Theory]
    [InlineData(new byte[] { 0xf1 }, 1)]
    [InlineData(new byte[] { 0xcd, 0x01 }, 2)]
    public void Breakpoint_held_behind_mov_ss_merges_into_int1_only(byte[] interrupt, int handlerRuns)
    {
        using TestCpu t = TestCpu.Long();
        t.Put(TestCpu.Data, TestCpu.Data32);
        t.C->Dr[1] = TestCpu.Data;
        t.C->Dr[7] = 0x408 | (0xfUL << 20);
        t.Cpu.UpdateMode();
        t.Rbx = TestCpu.Data;
        t.Code(a => a.mov(ss, __word_ptr[rbx]));
        t.Bytes([.. interrupt, 0xf4], TestCpu.CodeStart + 2);
        t.Bytes([0x48, 0xff, 0xc1, 0x48, 0xcf], TestCpu.Handlers + 16);
        Assert.Equal(-1, t.Run());
        Assert.Equal((ulong)handlerRuns, t.Rcx);
        Assert.Equal(2UL, t.C->Dr[6] & 15);
    }

    [Fact]
    public void Syscall_and_sysret_go_to_lstar_and_back()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        t.C->Star = ((ulong)TestCpu.Code64 << 32) | (0x23UL << 48);
        t.C->Lstar = 0x5800;
        t.C->SyscallMask = Flags.If | Flags.Cf;
        t.C->Rflags = Flags.If | Flags.Cf | Flags.Zf;
        t.Code(a => a.syscall());
        t.Code(a => a.sysretq(), 0x5800);
        t.Step();
        Assert.Equal(0x5800UL, t.C->Rip);
        Assert.Equal(0, t.C->Cpl);
        Assert.Equal(TestCpu.CodeStart + 2, t.Rcx);
        Assert.Equal(Flags.If | Flags.Cf | Flags.Zf | 2, t.C->Gpr[11]);
        Assert.Equal(Flags.Zf | 2, t.C->Rflags);
        t.Step();
        Assert.Equal(3, t.C->Cpl);
        Assert.Equal(TestCpu.CodeStart + 2, t.C->Rip);
        Assert.Equal(TestCpu.UserCode64, t.Selector(Seg.Cs));
        Assert.Equal(Flags.If | Flags.Cf | Flags.Zf | 2, t.C->Rflags);
    }

    [Fact]
    public void Entering_long_mode_from_protected_mode()
    {
        using TestCpu t = TestCpu.Protected();
        t.Put(TestCpu.PageTables, TestCpu.PageTables + 0x1007);
        t.Put(TestCpu.PageTables + 0x1000, 0x87UL);
        t.C->Efer = 0x100;
        t.Code(a =>
        {
            a.mov(eax, 0x20);
            a.mov(cr4, eax);
            a.mov(eax, (uint)TestCpu.PageTables);
            a.mov(cr3, eax);
            a.mov(eax, 0x8000_0011);
            a.mov(cr0, eax);
            a.jmp(TestCpu.Code64, 0x5900);
        }).Steps(7);
        Assert.Equal(0x5900UL, t.C->Rip);
        Assert.True(t.Cpu.Interpreter.IsLong64);
        t.Code(a =>
        {
            a.mov(rbx, 0x1234_5678_9abc_def0);
            a.hlt();
        });
        Assert.Equal(-1, t.Run());
        Assert.Equal(0x1234_5678_9abc_def0UL, t.Rbx);
    }

    [Fact]
    public void Setting_reserved_control_bits_is_gp()
    {
        using TestCpu t = TestCpu.Long();
        t.Rax = 1UL << 63;
        t.Code(a => a.mov(cr4, rax));
        Assert.Equal(13, t.Run());
        t.C->Rip = TestCpu.CodeStart;
        t.Rax = 0x8000_0010;
        t.Code(a => a.mov(cr0, rax));
        Assert.Equal(13, t.Run());
    }

    [Fact]
    public void Ports_at_user_level_follow_the_bitmap()
    {
        using TestCpu t = TestCpu.Protected(cpl: 3);
        t.Put(TestCpu.Tss + 0x68 + 0x10, (byte)0x02);
        t.Rdx = 0x80;
        t.Code(a =>
        {
            a.@in(al, dx);
            a.@in(ax, dx);
        }).Step();
        Assert.Equal(0xffUL, t.Rax);
        Assert.Equal(13, t.Run());
        Assert.Equal((uint)TestCpu.CodeStart + 1, t.Get<uint>(t.Rsp + 4));
    }

    [Fact]
    public void Modified_code_is_decoded_again()
    {
        using TestCpu t = TestCpu.Long();
        t.Code(a => a.inc(rax)).Step();
        t.C->Rip = TestCpu.CodeStart;
        t.Code(a => a.inc(rbx)).Step();
        Assert.Equal(1UL, t.Rax);
        Assert.Equal(1UL, t.Rbx);
    }

    [Fact]
    public void Halt_and_hypercall()
    {
        using TestCpu t = TestCpu.Long();
        t.Code(a =>
        {
            a.vmmcall();
            a.hlt();
        });
        Assert.Equal(StepResult.Continue, t.Step());
        Assert.Equal(unchecked((ulong)-1000), t.Rax);
        Assert.Equal(StepResult.Halt, t.Step());
    }
}
