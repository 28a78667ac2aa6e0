using System.Globalization;

namespace Hutch.Cli.Doctor;

/// <summary>Privileges of this process (capabilities(7)).</summary>
internal static class Capabilities
{
    /// <summary>Whether the effective set of this process has one, by its number in linux/capability.h.</summary>
    internal static bool Has(HostFiles files, int number) =>
        ulong.TryParse(files.Field("/proc/self/status", "CapEff"), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong set) && (set >> number & 1) != 0;

    /// <summary>Whether a seccomp filter watches this process's system calls.</summary>
    internal static bool IsFiltered(HostFiles files) => files.Field("/proc/self/status", "Seccomp") == "2";
}
