using System.Runtime.Intrinsics.X86;
using Hutch.Model.Processor;

namespace Hutch.Core.Cpuid;

/// <summary>EAX, EBX, ECX and EDX of one CPUID leaf.</summary>
internal readonly record struct CpuidRegisters(uint Eax, uint Ebx, uint Ecx, uint Edx)
{
    /// <summary>Executes CPUID on the host.</summary>
    public static CpuidRegisters OfHost(uint leaf, uint subleaf)
    {
        (int a, int b, int c, int d) = X86Base.CpuId((int)leaf, (int)subleaf);
        return new CpuidRegisters((uint)a, (uint)b, (uint)c, (uint)d);
    }

    /// <summary>The register that a feature bit is in.</summary>
    public uint this[CpuidRegister register] => register switch
    {
        CpuidRegister.Eax => Eax,
        CpuidRegister.Ebx => Ebx,
        CpuidRegister.Ecx => Ecx,
        _ => Edx,
    };

    /// <summary>The same with another value in one register.</summary>
    public CpuidRegisters With(CpuidRegister register, uint value) => register switch
    {
        CpuidRegister.Eax => this with { Eax = value },
        CpuidRegister.Ebx => this with { Ebx = value },
        CpuidRegister.Ecx => this with { Ecx = value },
        _ => this with { Edx = value },
    };
}

/// <summary>Asks a host for a CPUID leaf. Tests describe hosts of their own.</summary>
internal delegate CpuidRegisters HostCpuid(uint leaf, uint subleaf);
