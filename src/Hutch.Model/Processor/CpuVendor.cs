namespace Hutch.Model.Processor;

/// <summary>Whose CPU a model is.</summary>
public enum CpuVendor : byte
{
    /// <summary>GenuineIntel.</summary>
    Intel,

    /// <summary>AuthenticAMD.</summary>
    Amd,

    /// <summary>HygonGenuine: AMD's leaves and MSRs.</summary>
    Hygon,

    /// <summary>Some other CPU, treated as Intel's; also "the host's".</summary>
    Other,
}

/// <summary>Vendors as CPUID's leaf 0 spells them.</summary>
public static class CpuVendors
{
    /// <summary>The 12 characters of leaf 0: EBX, EDX, ECX.</summary>
    public static string Text(this CpuVendor vendor) => vendor switch
    {
        CpuVendor.Intel => "GenuineIntel",
        CpuVendor.Amd => "AuthenticAMD",
        CpuVendor.Hygon => "HygonGenuine",
        _ => "",
    };

    /// <summary>The vendor of the 12 characters of leaf 0, or of libvirt's name.</summary>
    public static CpuVendor Parse(string text) => text switch
    {
        "GenuineIntel" or "Intel" => CpuVendor.Intel,
        "AuthenticAMD" or "AMD" => CpuVendor.Amd,
        "HygonGenuine" or "Hygon" => CpuVendor.Hygon,
        _ => CpuVendor.Other,
    };

    /// <summary>The CPU follows AMD's leaves and MSRs, else Intel's.</summary>
    public static bool IsAmd(this CpuVendor vendor) => vendor is CpuVendor.Amd or CpuVendor.Hygon;
}
