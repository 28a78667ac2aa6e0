using System;
using Hutch.Core.Cpuid;
using Hutch.Cpu.Apic;
using Hutch.Model.Processor;

namespace Hutch.Cpu.Cpuid;

/// <summary>CPUID as one vCPU sees it: the machine's table with its APIC id and the bits that mirror its registers. The vCPU's thread.</summary>
internal sealed unsafe class VcpuCpuid(SoftVcpu vcpu, CpuidTable table)
{
    private const uint ApicBit = 1 << 9, OsxsaveBit = 1 << 27, OspkeBit = 1 << 4;
    private const ulong Cr4Osxsave = 1 << 18, Cr4Pke = 1 << 22;

    private readonly Func<ulong> _tscKhz = () => vcpu.Time.FrequencyKhz;

    /// <summary>The machine's table.</summary>
    public CpuidTable Table => table;

    /// <summary>Whether the vCPU is offered a feature (whatever its registers say).</summary>
    public bool Has(CpuFeature feature) => table.Features[feature];

    /// <summary>The CPUID instruction.</summary>
    public void Query(uint leaf, uint subleaf, out uint a, out uint b, out uint c, out uint d)
    {
        (a, b, c, d) = table.Query(leaf, subleaf, (uint)vcpu.ApicId, _tscKhz);
        switch (leaf)
        {
            case 1:
                if ((vcpu.Context->Cr4 & Cr4Osxsave) != 0) c |= OsxsaveBit;
                if ((vcpu.Context->ApicBase & ApicBase.Enabled) == 0) d &= ~ApicBit;
                break;
            case 7 when subleaf == 0 && (vcpu.Context->Cr4 & Cr4Pke) != 0:
                c |= OspkeBit;
                break;
            case 0xd when subleaf < 2 && b != 0:
                b = table.SaveAreaBytes(vcpu.Context->Xcr0);
                break;
            case 0x8000_0001 when table.IsAmd && (vcpu.Context->ApicBase & ApicBase.Enabled) == 0:
                d &= ~ApicBit;
                break;
        }
    }
}
