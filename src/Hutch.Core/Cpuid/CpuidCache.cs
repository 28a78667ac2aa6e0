using System.Collections.Generic;
using System.Threading;

namespace Hutch.Core.Cpuid;

/// <summary>
/// Remembers a host's CPUID leaves. Where the host is a virtual machine itself, every CPUID leaves it, at more than ten microseconds
/// each; a booting guest asks hundreds of times. Any thread.
/// </summary>
internal sealed class CpuidCache(HostCpuid host)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, CpuidRegisters> _known = [];

    /// <summary>The leaf as the host had it when it was first asked for.</summary>
    public CpuidRegisters Query(uint leaf, uint subleaf)
    {
        ulong key = ((ulong)leaf << 32) | subleaf;
        lock (_lock)
        {
            if (!_known.TryGetValue(key, out CpuidRegisters registers)) _known[key] = registers = host(leaf, subleaf);
            return registers;
        }
    }
}
