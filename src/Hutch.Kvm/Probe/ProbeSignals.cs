using System.IO;
using System.Runtime.Intrinsics.X86;

namespace Hutch.Kvm.Probe;

/// <summary>What is known of KVM without calling it. Recorded beside the verdict, and used only to name what the proof found.</summary>
/// <param name="HasVirtualisation">CPUID tells of VMX or SVM.</param>
/// <param name="Module">The vendor module that is loaded: <c>kvm_intel</c>, <c>kvm_amd</c>, <c>kvm_pvm</c>; null: none of them.</param>
internal sealed record ProbeSignals(bool HasVirtualisation, string? Module)
{
    /// <summary>Nothing is known.</summary>
    internal static ProbeSignals None { get; } = new(false, null);

    private static readonly string[] Modules = ["kvm_pvm", "kvm_intel", "kvm_amd"];

    /// <summary>Reads those of this host: three instructions and three looks into /sys/module.</summary>
    internal static ProbeSignals Read()
    {
        const int Vmx = 1 << 5, Svm = 1 << 2;
        (_, _, int basic, _) = X86Base.CpuId(1, 0);
        (int highest, _, _, _) = X86Base.CpuId(unchecked((int)0x8000_0000), 0);
        int extended = (uint)highest >= 0x8000_0001 ? X86Base.CpuId(unchecked((int)0x8000_0001), 0).Ecx : 0;
        string? module = null;
        foreach (string name in Modules)
            if (module is null && Directory.Exists($"/sys/module/{name}")) module = name;
        return new ProbeSignals((basic & Vmx) != 0 || (extended & Svm) != 0, module);
    }
}
