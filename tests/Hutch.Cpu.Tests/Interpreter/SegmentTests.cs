using Hutch.Cpu.State;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Cpu.Tests.Interpreter;

/// <summary>Intel SDM 3A chapter 5.</summary>
public sealed unsafe class SegmentTests
{
    [Fact]
    public void Loading_a_data_segment_sets_the_accessed_bit_and_hidden_part()
    {
        using TestCpu t = TestCpu.Protected();
        t.Describe(TestCpu.Free, 0x1234_0000, 0xff, 0x92);
        t.Rax = TestCpu.Free;
        t.Code(a => a.mov(ds, ax)).Step();
        Assert.Equal(0x1234_0000UL, t.C->Segments[(int)Seg.Ds].Base);
        Assert.Equal(0xffu, t.C->Segments[(int)Seg.Ds].Limit);
        Assert.Equal(0x93, t.Get<byte>(TestCpu.Gdt + TestCpu.Free + 5));
    }

    [Fact]
    public void Access_beyond_the_limit_is_gp_and_expand_down_turns_it_round()
    {
        using TestCpu t = TestCpu.Protected();
        t.Describe(TestCpu.Free, 0, 0xfff, 0x4097 & ~0x2);
        t.Describe(TestCpu.Free, 0, 0xfff, 0x4096);
        t.Rax = TestCpu.Free;
        t.Rbx = 0x2000;
        t.Code(a =>
        {
            a.mov(ds, ax);
            a.mov(ecx, __dword_ptr[ebx]);
            a.mov(ecx, __dword_ptr[ebx - 0x1001]);
        });
        Assert.Equal(13, t.Run());
        Assert.Equal(0u, t.Get<uint>(t.Rsp));
        Assert.Equal(TestCpu.CodeStart + 5, t.Get<uint>(t.Rsp + 4));
    }

    [Fact]
    public void Absent_segments_and_bad_types_give_their_selector()
    {
        using TestCpu t = TestCpu.Protected();
        t.Rax = TestCpu.AbsentData;
        t.Code(a => a.mov(ds, ax));
        Assert.Equal(11, t.Run());
        Assert.Equal(TestCpu.AbsentData, t.Get<uint>(t.Rsp));
        t.C->Rip = TestCpu.CodeStart;
        t.Code(a => a.mov(ss, ax));
        Assert.Equal(12, t.Run());
        Assert.Equal(TestCpu.AbsentData, t.Get<uint>(t.Rsp));
        t.C->Rip = TestCpu.CodeStart;
        t.Rax = 0x7fff;
        Assert.Equal(13, t.Run());
        Assert.Equal(0x7ffcu, t.Get<uint>(t.Rsp));
    }

    [Fact]
    public void Null_data_selector_faults_on_use_only()
    {
        using TestCpu t = TestCpu.Protected();
        t.Rax = 3;
        t.Code(a =>
        {
            a.mov(ds, ax);
            a.mov(al, __byte_ptr[0x1000]);
        }).Step();
        Assert.Equal(3, t.Selector(Seg.Ds));
        Assert.Equal(13, t.Run());
    }

    [Fact]
    public void Null_ss_is_allowed_in_64_bit_kernel_code_only()
    {
        using TestCpu t = TestCpu.Long();
        t.Rax = 0;
        t.Code(a => a.mov(ss, ax)).Step();
        Assert.Equal(0, t.Selector(Seg.Ss));
        Assert.Equal(1, t.C->InterruptShadow);
        using TestCpu user = TestCpu.Long(cpl: 3);
        user.Rax = 3;
        user.Code(a => a.mov(ss, ax));
        Assert.Equal(13, user.Run());
    }

    [Fact]
    public void Sixteen_byte_descriptors_are_loaded_by_ltr_and_lldt()
    {
        using TestCpu t = TestCpu.Long();
        t.Describe(TestCpu.Free, 0x1000, 0x67, 0x89);
        t.Put(TestCpu.Gdt + TestCpu.Free + 8, 0xffff_8880UL);
        t.Rax = TestCpu.Free;
        t.Code(a => a.ltr(ax)).Step();
        Assert.Equal(0xffff_8880_0000_1000UL, t.C->Segments[(int)Seg.Tr].Base);
        Assert.Equal(0x8b, t.Get<byte>(TestCpu.Gdt + TestCpu.Free + 5));
        t.Code(a => a.ltr(ax));
        Assert.Equal(13, t.Run());
        Assert.Equal(TestCpu.Free, t.Get<ulong>(t.Rsp));
    }

    [Fact]
    public void Lar_lsl_and_verr_report_in_zf()
    {
        using TestCpu t = TestCpu.Protected(cpl: 3);
        t.Rax = TestCpu.UserCode32;
        t.Rbx = TestCpu.Data32;
        t.Code(a =>
        {
            a.lar(ecx, eax);
            a.lsl(edx, eax);
            a.lar(esi, ebx);
        }).Steps(2);
        Assert.Equal(0xcffb00UL, t.Rcx);
        Assert.Equal(0xffff_ffffUL, t.Rdx);
        Assert.NotEqual(0UL, t.C->ArithmeticFlags & Flags.Zf);
        t.Step();
        Assert.Equal(0UL, t.C->ArithmeticFlags & Flags.Zf);
        Assert.Equal(0UL, t.Rsi);
    }

    [Fact]
    public void Non_canonical_addresses_are_gp_or_ss_by_segment()
    {
        using TestCpu t = TestCpu.Long();
        t.Rbx = 0x8000_0000_0000;
        t.Code(a => a.mov(rax, __qword_ptr[rbx]));
        Assert.Equal(13, t.Run());
        t.C->Rip = TestCpu.CodeStart;
        t.Rbp = 0x7fff_ffff_fffc;
        t.Code(a => a.mov(rax, __qword_ptr[rbp]));
        Assert.Equal(12, t.Run());
        Assert.Equal(0UL, t.Get<ulong>(t.Rsp));
    }

    [Fact]
    public void Real_mode_keeps_the_limits_of_protected_mode()
    {
        using TestCpu t = TestCpu.Real();
        t.C->Segments[(int)Seg.Ds].Limit = 0xffff_ffff;
        t.Put(0x10_0000UL, 0x5au);
        t.Rax = 0x10;
        t.Rbx = 0x10_0000 - 0x100;
        t.Code(a =>
        {
            a.mov(ds, ax);
            a.mov(ecx, __dword_ptr[ebx]);
        }).Steps(2);
        Assert.Equal(0x5aUL, t.Rcx);
    }

    [Fact]
    public void User_alignment_check_is_raised_when_enabled()
    {
        using TestCpu t = TestCpu.Long(cpl: 3);
        t.C->Cr0 |= 1 << 18;
        t.C->AlignmentCheck = 1;
        t.Cpu.UpdateMode();
        t.Code(a => a.mov(eax, __dword_ptr[TestCpu.Data + 2]));
        Assert.Equal(17, t.Run());
        Assert.Equal(0UL, t.Get<ulong>(t.Rsp));
    }
}
