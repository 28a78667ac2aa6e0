using System;
using Hutch.Devices.Storage;

namespace Hutch.Devices.Ata;

/// <summary>Tells the operator of storage that fails, for all drives of a controller.</summary>
internal sealed class DriveFailures(IPlatformEvents platform)
{
    private readonly FailureCount _failures = new();

    /// <summary>A drive's storage failed. Any thread.</summary>
    internal void Report(string drive, Exception failure)
    {
        if (_failures.MustReport(out uint count))
            platform.StorageFailed($"The disk {drive} failed: {failure.Message.TrimEnd('.')}; the guest gets an I/O error{(count == 1 ? "." : $" ({count} failures so far).")}", pause: false);
    }
}
