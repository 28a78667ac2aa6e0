using System;
using Hutch.Core.Engine;
using Hutch.Cpu.State;
using Hutch.Model.Machine;
using Hutch.Model.Processor;
using Iced.Intel;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Cpu.Tests.Interpreter;

/// <summary>Features that come with a model, and what is left when one goes.</summary>
public sealed unsafe class FeatureTests
{
    private const int InvalidOpcode = (int)Vector.InvalidOpcode, GeneralProtection = (int)Vector.GeneralProtection;

    private static CpuModel With(params string[] features) => new("max", [.. features], []);

    private static CpuModel Without(params string[] features) => new("max", [], [.. features]);

    private static int Run(CpuModel model, Action<Assembler> build, int cpl = 0)
    {
        using TestCpu t = TestCpu.Long(cpl, model);
        t.Rbx = TestCpu.Data;
        return t.Code(a =>
        {
            build(a);
            a.hlt();
        }).Run();
    }

    [Fact]
    public void Instructions_of_a_feature_that_is_off_are_undefined()
    {
        (string Feature, Action<Assembler> Build)[] cases =
        [
            ("sse2", a => a.paddd(xmm0, xmm1)), ("ssse3", a => a.pshufb(xmm0, xmm1)), ("sse4.2", a => a.crc32(eax, ebx)), ("popcnt", a => a.popcnt(eax, ebx)),
            ("movbe", a => a.movbe(eax, __dword_ptr[rbx])), ("cx16", a => a.cmpxchg16b(__xmmword_ptr[rbx])), ("bmi1", a => a.andn(eax, eax, ebx)),
            ("rdtscp", a => a.rdtscp()), ("adx", a => a.adcx(eax, ebx)), ("clflushopt", a => a.clflushopt(__byte_ptr[rbx])), ("smap", a => a.stac()),
            ("xsave", a => a.xsave(__[rbx])),
        ];
        FeatureSet offered = SoftHypervisor.OfferCpu().Features;
        foreach ((string feature, Action<Assembler> build) in cases)
        {
            if (!offered[FeatureNames.Find(feature)!.Value])
            {
                // The host lacks it, so that no model has it.
                Assert.True(Run(CpuModel.Max, build) == InvalidOpcode, feature);
                continue;
            }
            Assert.True(Run(CpuModel.Max, build) is -1 or InvalidOpcode && (feature == "xsave" || Run(CpuModel.Max, build) == -1), feature);
            Assert.True(Run(Without(feature), build) == InvalidOpcode, feature);
        }
        Assert.Equal(InvalidOpcode, Run(CpuModel.Max, a => a.clzero()));
        Assert.Equal(InvalidOpcode, Run(CpuModel.Max, a => a.xtest()));
        // Without its feature TZCNT is BSF.
        Assert.Equal(-1, Run(Without("bmi1"), a => a.tzcnt(eax, ebx)));
    }

    [Theory]
    [InlineData("smep", 1 << 20)]
    [InlineData("smap", 1 << 21)]
    [InlineData("umip", 1 << 11)]
    [InlineData("pcid", 1 << 17)]
    [InlineData("fsgsbase", 1 << 16)]
    [InlineData("xsave", 1 << 18)]
    [InlineData("vme", 1)]
    [InlineData("vme", 2)]
    public void Control_bits_of_a_feature_that_is_off_are_reserved(string feature, long bit)
    {
        void SetBit(Assembler a)
        {
            a.mov(rax, cr4);
            a.or(rax, (int)bit);
            a.mov(cr4, rax);
        }
        // With SMEP the code cannot go on, for its pages are the user's.
        Assert.NotEqual(GeneralProtection, Run(CpuModel.Max, SetBit));
        Assert.Equal(GeneralProtection, Run(Without(feature), SetBit));
    }

    [Fact]
    public void Avx_state_cannot_be_enabled_without_avx()
    {
        void EnableAvx(Assembler a)
        {
            a.mov(rax, cr4);
            a.or(rax, 1 << 18);
            a.mov(cr4, rax);
            a.mov(eax, 7);
            a.xor(edx, edx);
            a.xor(ecx, ecx);
            a.xsetbv();
        }
        Assert.Equal(-1, Run(CpuModel.Max, EnableAvx));
        Assert.Equal(GeneralProtection, Run(Without("avx"), EnableAvx));
    }

    [Fact]
    public void Transactions_abort_at_once()
    {
        using TestCpu t = TestCpu.Long(cpl: 0, With("rtm"));
        t.Rax = t.Rcx = 7;
        t.Code(a =>
        {
            Label fallback = a.CreateLabel();
            a.xbegin(fallback);
            a.mov(ecx, 1);
            a.Label(ref fallback);
            a.xabort(3);
            a.xtest();
            a.setz(dl);
            a.xend();
        });
        Assert.Equal(GeneralProtection, t.Run());
        Assert.Equal((0UL, 7UL, 1UL), (t.Rax, t.Rcx, t.Rdx & 0xff));
    }

    [Fact]
    public void Clzero_clears_the_line_that_rax_is_in()
    {
        using TestCpu t = TestCpu.Long(cpl: 3, With("clzero"));
        for (ulong n = 0; n < 24; n++) t.Put(TestCpu.Data + n * 8, ulong.MaxValue);
        t.Rax = TestCpu.Data + 64 + 17;
        t.Code(a => a.clzero()).Step();
        for (ulong n = 0; n < 24; n++) Assert.Equal(n / 8 == 1 ? 0 : ulong.MaxValue, t.Get<ulong>(TestCpu.Data + n * 8));
    }

    [Fact]
    public void Movdir64b_wants_an_aligned_target()
    {
        using TestCpu t = TestCpu.Long(cpl: 0, With("movdiri", "movdir64b"));
        t.Put(TestCpu.Data + 7, 0x1122_3344_5566_7788UL);
        t.Rax = TestCpu.Data + 128;
        t.Rbx = TestCpu.Data + 7;
        t.Rcx = TestCpu.Data + 136;
        t.Rdx = 0x99;
        t.Code(a =>
        {
            a.movdir64b(rax, __zmmword_ptr[rbx]);
            a.movdiri(__qword_ptr[rax + 8], rdx);
            a.movdir64b(rcx, __zmmword_ptr[rbx]);
        });
        Assert.Equal(GeneralProtection, t.Run());
        Assert.Equal((0x1122_3344_5566_7788UL, 0x99UL), (t.Get<ulong>(TestCpu.Data + 128), t.Get<ulong>(TestCpu.Data + 136)));
    }

    [Fact]
    public void Xsaves_and_xrstors_are_the_kernels_and_compact()
    {
        void Enable(Assembler a)
        {
            a.mov(rax, cr4);
            a.or(rax, 1 << 18);
            a.mov(cr4, rax);
            a.mov(eax, 3);
            a.xor(edx, edx);
        }
        using TestCpu t = TestCpu.Long(cpl: 0, With("xsaves"));
        t.Rbx = TestCpu.Data;
        t.Put(TestCpu.Data + 520, 0UL);
        t.Code(a =>
        {
            Enable(a);
            a.xrstors(__[rbx]);
        });
        Assert.Equal(GeneralProtection, t.Run());
        Assert.Equal(-1, Run(With("xsaves"), a =>
        {
            Enable(a);
            a.xsaves(__[rbx]);
            a.xrstors(__[rbx]);
        }));
        Assert.Equal(InvalidOpcode, Run(Without("xsaves"), a =>
        {
            Enable(a);
            a.xsaves(__[rbx]);
        }));
    }

    // Virtual-8086 mode at CodeStart with IOPL 0; the TSS's redirection bitmap is empty, so INT n is the program's own.
    private static TestCpu Virtual8086(ulong cr4, int iopl = 0)
    {
        TestCpu t = TestCpu.Protected();
        t.C->Cr4 = cr4;
        t.C->SystemFlags |= (uint)(Flags.Vm | (ulong)iopl << 12);
        t.C->Cpl = 3;
        foreach (Seg segment in (ReadOnlySpan<Seg>)[Seg.Es, Seg.Cs, Seg.Ss, Seg.Ds, Seg.Fs, Seg.Gs])
            t.C->Segments[(int)segment] = new SegmentState { Limit = 0xffff, Attributes = 0xf3 };
        t.Rsp = TestCpu.Stack;
        t.Cpu.UpdateMode();
        return t;
    }

    [Fact]
    public void A_virtual_8086_program_has_an_interrupt_flag_of_its_own()
    {
        using TestCpu t = Virtual8086(cr4: 1);
        t.Code(a =>
        {
            a.sti();
            a.pushf();
            a.pop(ax);
            a.cli();
            a.pushf();
            a.popf();
        }).Steps(6);
        Assert.Equal(0x3202UL, t.Rax & 0xffff);
        Assert.Equal(0UL, t.C->Rflags & (Flags.If | Flags.Vif));
        Assert.Equal(0x3002, t.Get<ushort>(TestCpu.Stack - 2));
        Assert.Equal(TestCpu.CodeStart + 6, t.C->Rip);
    }

    [Fact]
    public void Setting_it_while_an_interrupt_waits_faults()
    {
        using TestCpu t = Virtual8086(cr4: 1);
        t.C->SystemFlags |= (uint)Flags.Vip;
        Assert.Equal(GeneralProtection, t.Code(a => a.sti()).Run());
    }

    [Fact]
    public void Without_the_extension_the_monitor_does_it()
    {
        foreach (Action<Assembler> build in (Action<Assembler>[])[a => a.sti(), a => a.pushf(), a => a.@int(0x21)])
        {
            using TestCpu t = Virtual8086(cr4: 0);
            Assert.Equal(GeneralProtection, t.Code(build).Run());
        }
    }

    [Fact]
    public void Int_of_a_virtual_8086_program_goes_where_the_bitmap_says()
    {
        using TestCpu t = Virtual8086(cr4: 1);
        t.Put(0x21 * 4, 0x0000_7000u);
        t.C->SystemFlags |= (uint)Flags.Vif;
        t.Code(a => a.@int(0x21)).Step();
        Assert.Equal(0x7000UL, t.C->Rip);
        Assert.Equal((ushort)(TestCpu.CodeStart + 2), t.Get<ushort>(TestCpu.Stack - 6));
        Assert.Equal(0x3202, t.Get<ushort>(TestCpu.Stack - 2));
        Assert.Equal(Flags.Vm, t.C->Rflags & (Flags.Vm | Flags.Vif));
        using TestCpu kept = Virtual8086(cr4: 1);
        kept.Put(TestCpu.Tss + 0x48 + 4, (byte)2);
        Assert.Equal(GeneralProtection, kept.Code(a => a.@int(0x21)).Run());
    }

    [Fact]
    public void A_user_program_has_a_virtual_interrupt_flag_with_pvi()
    {
        using TestCpu t = TestCpu.Protected(cpl: 3);
        t.C->Cr4 = 2;
        t.Code(a => a.sti()).Step();
        Assert.Equal(Flags.Vif, t.C->Rflags & (Flags.If | Flags.Vif));
        using TestCpu without = TestCpu.Protected(cpl: 3);
        Assert.Equal(GeneralProtection, without.Code(a => a.sti()).Run());
    }

    [Fact]
    public void Misaligned_sse_mode_spares_all_but_the_aligned_moves()
    {
        if ((System.Runtime.Intrinsics.X86.X86Base.CpuId(unchecked((int)0x8000_0001), 0).Ecx & 1 << 7) == 0) return;
        void Enable(Assembler a)
        {
            a.mov(__dword_ptr[rbx], 0x21f80);
            a.ldmxcsr(__dword_ptr[rbx]);
        }
        Assert.Equal(GeneralProtection, Run(CpuModel.Max, Enable));
        Assert.Equal(-1, Run(With("misalignsse"), a =>
        {
            Enable(a);
            a.paddd(xmm0, __xmmword_ptr[rbx + 4]);
        }));
        Assert.Equal(GeneralProtection, Run(With("misalignsse"), a =>
        {
            Enable(a);
            a.movdqa(xmm0, __xmmword_ptr[rbx + 4]);
        }));
    }

    [Fact]
    public void Fast_fxsave_leaves_the_vector_registers_out()
    {
        using TestCpu t = TestCpu.Long(cpl: 0, With("fxsr-opt"));
        t.Rbx = TestCpu.Data;
        t.Put(TestCpu.Data + 160, 0x55UL);
        t.Code(a =>
        {
            a.mov(ecx, 0xc000_0080);
            a.rdmsr();
            a.or(eax, 1 << 14);
            a.wrmsr();
            a.fxsave(__[rbx]);
            a.hlt();
        });
        Assert.Equal(-1, t.Run());
        Assert.Equal((0x1f80u, 0x55UL), (t.Get<uint>(TestCpu.Data + 24), t.Get<ulong>(TestCpu.Data + 160)));
    }

    [Theory]
    [InlineData(0u, 3, false, 0u)]
    [InlineData(1u << 10, 3, false, 0x25u)]
    [InlineData(2u << 10, 3, false, 0u)]
    [InlineData(2u << 10, 3, true, 0x27u)]
    [InlineData(1u << 10, 0, false, 0x21u)]
    [InlineData(2u << 10, 0, true, 0x23u)]
    [InlineData(1u << 8, 3, true, 0u)]
    public void A_pages_protection_key_decides_by_pkru(uint pkru, int cpl, bool write, uint error)
    {
        using TestCpu t = TestCpu.Long(cpl, With("pku"));
        // Key 5 for the data page.
        t.Put(TestCpu.PageTables + 0x3000 + ((TestCpu.Data >> 12) * 8), TestCpu.Data | 7 | (5UL << 59));
        t.C->Cr4 |= 1 << 22;
        t.Rax = pkru;
        t.Rdx = 0;
        t.Rbx = TestCpu.Data;
        t.Code(a =>
        {
            // Filled with full rights first: WRPKRU must not leave it behind.
            a.mov(rsi, __[rbx]);
            a.wrpkru();
            a.rdpkru();
            if (write) a.mov(__[rbx], rsi);
            else a.mov(rsi, __[rbx]);
        }).Steps(4);
        Assert.Equal(pkru, (uint)t.Rax);
        Assert.Equal(error == 0, t.C->Rip < TestCpu.Handlers);
        if (error != 0) Assert.Equal((error, TestCpu.Data), (t.Get<uint>(t.Rsp), t.C->Cr2));
    }

    [Fact]
    public void Pkru_is_part_of_the_save_area_behind_avx_and_of_the_state()
    {
        using TestCpu t = TestCpu.Long(cpl: 0, With("pku"));
        t.Cpu.Cpuid.Query(0xd, 9, out uint bytes, out uint offset, out _, out _);
        Assert.Equal((8u, 832u), (bytes, offset));
        t.C->Cr4 |= 1 << 22 | 1 << 18;
        t.C->Xcr0 = 0x207;
        t.Rbx = TestCpu.Data;
        t.Rax = 0x5555_5550;
        t.Rdx = 0;
        t.Code(a =>
        {
            a.wrpkru();
            a.mov(eax, 0x200);
            a.xsave(__[rbx]);
            a.xsavec(__[rbx + 0x400]);
            a.xor(eax, eax);
            a.wrpkru();
            a.mov(eax, 0x200);
            a.xrstor(__[rbx + 0x400]);
            a.rdpkru();
        }).Steps(9);
        Assert.Equal(0x5555_5550UL, t.Rax);
        Assert.Equal((0x200UL, 0x5555_5550u), (t.Get<ulong>(TestCpu.Data + 512), t.Get<uint>(TestCpu.Data + 832)));
        Assert.Equal((0x8000_0000_0000_0200UL, 0x5555_5550u), (t.Get<ulong>(TestCpu.Data + 0x400 + 520), t.Get<uint>(TestCpu.Data + 0x400 + 576)));
        var state = new X86VcpuState();
        t.Cpu.SaveRegisters(state);
        t.Cpu.ProtectionKeys.Write(0);
        t.Cpu.RestoreRegisters(state);
        Assert.Equal(0x5555_5550u, t.Cpu.ProtectionKeys.Pkru);
    }
}
