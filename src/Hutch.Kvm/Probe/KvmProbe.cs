using System.Collections.Immutable;
using Hutch.Host.Linux;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm.Probe;

/// <summary>
/// Finds out what /dev/kvm is good for, in a few milliseconds: it is opened, asked, and made to execute the instructions that a stock kernel
/// needs, one by one, in ring 0 of a machine of its own.
/// </summary>
internal static class KvmProbe
{
    private const int NotPermitted = 1, NoEntry = 2, NoDeviceOrAddress = 6, AccessDenied = 13, DeviceBusy = 16, NoDevice = 19;

    /// <summary>Reaches the verdict. Throws nothing that the kernel could cause.</summary>
    /// <param name="calls">The system calls.</param>
    /// <param name="signals">What is known beforehand.</param>
    internal static KvmProbeResult Run(IDeviceCalls calls, ProbeSignals signals)
    {
        int opened = calls.Open(KvmHypervisor.DevicePath);
        if (opened < 0) return new KvmProbeResult(OfOpen(-opened), signals) { Detail = new LinuxException("open", -opened, KvmHypervisor.DevicePath).Message };
        using KvmDescriptor system = new(calls, opened, "KVM");
        int version = system.Try(KvmIoctl.GetApiVersion);
        if (version != KvmCapabilities.ApiVersion)
            return new KvmProbeResult(KvmVerdict.TooOld, signals) { Detail = $"it speaks version {version} of the interface, not {KvmCapabilities.ApiVersion}" };
        string[] missing = [.. new KvmCapabilities(system).Missing()];
        if (missing.Length > 0) return new KvmProbeResult(KvmVerdict.TooOld, signals) { Detail = $"it lacks {string.Join(", ", missing)}" };
        try
        {
            return Prove(system, signals);
        }
        catch (LinuxException refused)
        {
            return new KvmProbeResult(refused.Errno == DeviceBusy ? KvmVerdict.Busy : KvmVerdict.Refused, signals) { Detail = refused.Message };
        }
    }

    private static KvmProbeResult Prove(KvmDescriptor system, ProbeSignals signals)
    {
        using ProofMachine machine = new(system);
        ImmutableArray<string>.Builder failed = ImmutableArray.CreateBuilder<string>(), ran = ImmutableArray.CreateBuilder<string>();
        string? first = null;
        foreach (ProofInstruction instruction in ProofInstruction.ForHost(machine.OffersXsave))
        {
            string? why = machine.Try(instruction);
            (why is null ? ran : failed).Add(instruction.Name);
            if (why is not null) first ??= $"{instruction.Name}: {why}";
        }
        KvmVerdict verdict = failed.Count == 0 ? KvmVerdict.Hardware : signals is { Module: "kvm_pvm" } ? KvmVerdict.Pvm : KvmVerdict.Incomplete;
        return new KvmProbeResult(verdict, signals) { Ran = ran.ToImmutable(), Failed = failed.ToImmutable(), Detail = first };
    }

    private static KvmVerdict OfOpen(int errno) => errno switch
    {
        NoEntry or NoDevice or NoDeviceOrAddress => KvmVerdict.NoDevice,
        AccessDenied or NotPermitted => KvmVerdict.NoRights,
        DeviceBusy => KvmVerdict.Busy,
        _ => KvmVerdict.Refused,
    };
}
