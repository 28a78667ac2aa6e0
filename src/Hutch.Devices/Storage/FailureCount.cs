using System.Numerics;
using System.Threading;

namespace Hutch.Devices.Storage;

/// <summary>Counts failures of storage. A guest can make a bad disk fail in a loop: of many failures the first, second, fourth, eighth… are reported. Any thread.</summary>
internal sealed class FailureCount
{
    private int _count;

    /// <summary>There is another one. True: it is to be reported, as the <paramref name="failures"/>th.</summary>
    internal bool MustReport(out uint failures)
    {
        failures = (uint)Interlocked.Increment(ref _count);
        return BitOperations.IsPow2(failures);
    }
}
