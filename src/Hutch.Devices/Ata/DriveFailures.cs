using System;
using System.Numerics;
using System.Threading;

namespace Hutch.Devices.Ata;

/// <summary>Tells the operator of storage that fails. A guest can make a bad disk fail in a loop: of many failures the first, second, fourth, eighth… are reported.</summary>
internal sealed class DriveFailures(IPlatformEvents platform)
{
    private int _count;

    /// <summary>A drive's storage failed. Any thread.</summary>
    internal void Report(string drive, Exception failure)
    {
        uint count = (uint)Interlocked.Increment(ref _count);
        if (BitOperations.IsPow2(count))
            platform.StorageFailed($"The disk {drive} failed: {failure.Message.TrimEnd('.')}; the guest gets an I/O error{(count == 1 ? "." : $" ({count} failures so far).")}", pause: false);
    }
}
