using System;
using Hutch.Block.Graph;
using Hutch.Devices.Storage;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Requests;

/// <summary>What becomes of requests that storage failed, and what the operator hears of it. Any worker of the disk.</summary>
internal sealed class StorageErrors(string disk, StorageErrorPolicy onRead, StorageErrorPolicy onWrite, IPlatformEvents platform)
{
    private readonly FailureCount _failures = new();
    private string? _lastHeld;

    /// <summary>The sentence about the request that was held last; a restored machine knows only that there is one.</summary>
    internal string HeldSentence => _lastHeld ?? $"The disk {disk} could not carry out requests of its guest.";

    /// <summary>Judges a failed request: true, it waits until the machine goes on and is made again; false, it is answered as it is, or as if all had gone well.</summary>
    internal bool MustHold(StorageRequest request)
    {
        Exception failure = request.Failure!;
        StorageErrorPolicy policy = request.IsRead ? onRead : onWrite;
        if (policy == StorageErrorPolicy.Enospc) policy = IsFull(failure) ? StorageErrorPolicy.Stop : StorageErrorPolicy.Report;
        string what = $"The disk {disk} cannot be {request.Verb}: {failure.Message.TrimEnd('.')}";
        switch (policy)
        {
            case StorageErrorPolicy.Stop:
                _lastHeld = what;
                platform.StorageFailed($"{what}.", pause: true);
                return true;
            case StorageErrorPolicy.Ignore:
                request.Ignore();
                Report($"{what}; the guest is told that it was.");
                return false;
            default:
                Report($"{what}; the guest gets an I/O error.");
                return false;
        }
    }

    private void Report(string sentence)
    {
        if (_failures.MustReport(out uint failures)) platform.StorageFailed(failures == 1 ? sentence : $"{sentence} ({failures} failures so far)", pause: false);
    }

    private static bool IsFull(Exception failure) => failure is BlockIoException { Errno: BlockIoException.Enospc or QuotaExceeded };

    private const int QuotaExceeded = 122;          // EDQUOT
}
