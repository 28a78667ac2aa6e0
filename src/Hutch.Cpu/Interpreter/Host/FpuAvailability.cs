using Hutch.Cpu.State;
using Hutch.Cpu.Tables;
using Iced.Intel;

namespace Hutch.Cpu.Interpreter.Host;

/// <summary>Whether x87, MMX, SSE and AVX instructions may execute now (Intel SDM 3A §2.5, §13.1; 2A §2.4).</summary>
internal static unsafe class FpuAvailability
{
    private const ulong Cr0Mp = 2, Cr0Em = 4, Cr0Ts = 8, Cr4Osfxsr = 1 << 9;

    /// <summary>False: #UD, #NM or #MF is pending.</summary>
    public static bool Check(SoftVcpu vcpu, in Instruction i, FormTraits traits)
    {
        VcpuContext* c = vcpu.Context;
        ulong cr0 = c->Cr0;
        bool vector = (traits & FormTraits.Vector) != 0;
        bool fxsave = vector && (traits & (FormTraits.Sse | FormTraits.Avx)) == 0;
        if ((traits & FormTraits.Avx) != 0)
        {
            if ((c->Mode & (uint)BlockMode.Avx) == 0) return vcpu.Raise(Vector.InvalidOpcode);
        }
        else if (vector && !fxsave)
        {
            if ((cr0 & Cr0Em) != 0 || (c->Cr4 & Cr4Osfxsr) == 0) return vcpu.Raise(Vector.InvalidOpcode);
        }
        else if (i.Code == Code.Wait)
        {
            if ((cr0 & (Cr0Mp | Cr0Ts)) == (Cr0Mp | Cr0Ts)) return vcpu.Raise(Vector.DeviceNotAvailable);
            cr0 = 0;
        }
        else if ((cr0 & Cr0Em) != 0) return vcpu.Raise(!fxsave && IsMmx(i) ? Vector.InvalidOpcode : Vector.DeviceNotAvailable);
        if ((cr0 & Cr0Ts) != 0) return vcpu.Raise(Vector.DeviceNotAvailable);
        return (traits & FormTraits.Waits) == 0 || !FpuArea.ExceptionPending(c) || vcpu.Raise(Vector.X87Fault);
    }

    private static bool IsMmx(in Instruction i)
    {
        foreach (CpuidFeature feature in i.CpuidFeatures)
            if (feature is CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU387) return false;
        return true;
    }
}
