using Hutch.Host.Linux;
using Hutch.Kvm.Abi;
using Hutch.Kvm.Probe;

namespace Hutch.Kvm;

/// <summary>Opens /dev/kvm and asks whether it has what every machine needs: for the engine and for the probe, with the same answer.</summary>
internal static class KvmDevice
{
    private const int NotPermitted = 1, NoEntry = 2, NoDeviceOrAddress = 6, AccessDenied = 13, DeviceBusy = 16, NoDevice = 19;

    /// <summary>Where KVM is.</summary>
    internal const string Path = "/dev/kvm";

    /// <summary>Opens it. Throws <see cref="KvmUnavailableException"/> with the verdict.</summary>
    internal static KvmDescriptor Open(IDeviceCalls calls)
    {
        int opened = calls.Open(Path);
        if (opened < 0) throw new KvmUnavailableException(OfOpen(-opened), new LinuxException("open", -opened, Path).Message);
        KvmDescriptor system = new(calls, opened, "KVM");
        if (Lack(system) is not string lack) return system;
        system.Dispose();
        throw new KvmUnavailableException(KvmVerdict.TooOld, lack);
    }

    /// <summary>The verdict on a KVM that refuses a call.</summary>
    internal static KvmVerdict OfCall(int errno) => errno == DeviceBusy ? KvmVerdict.Busy : KvmVerdict.Refused;

    private static string? Lack(KvmDescriptor system)
    {
        int version = system.Try(KvmIoctl.GetApiVersion);
        if (version != KvmCapabilities.ApiVersion) return $"it speaks version {version} of the interface, not {KvmCapabilities.ApiVersion}";
        string[] missing = [.. new KvmCapabilities(system).Missing()];
        return missing.Length > 0 ? $"it lacks {string.Join(", ", missing)}" : null;
    }

    private static KvmVerdict OfOpen(int errno) => errno switch
    {
        NoEntry or NoDevice or NoDeviceOrAddress => KvmVerdict.NoDevice,
        AccessDenied or NotPermitted => KvmVerdict.NoRights,
        _ => OfCall(errno),
    };
}
