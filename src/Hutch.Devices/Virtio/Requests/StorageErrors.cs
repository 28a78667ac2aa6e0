using System;
using System.Numerics;
using System.Threading;
using Hutch.Block.Graph;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.Requests;

/// <summary>What becomes of requests that storage failed, and what the operator hears of it. Any worker of the disk.</summary>
internal sealed class StorageErrors(string disk, StorageErrorPolicy onRead, StorageErrorPolicy onWrite, IPlatformEvents platform)
{
    private int _failures;

    /// <summary>The sentence about the request that was held last.</summary>
    internal string? LastHeld { get; private set; }

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
                LastHeld = what;
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

    // A guest can make a bad disk fail in a loop: of many failures the first, second, fourth, eighth… are reported.
    private void Report(string sentence)
    {
        uint failures = (uint)Interlocked.Increment(ref _failures);
        if (BitOperations.IsPow2(failures)) platform.StorageFailed(failures == 1 ? sentence : $"{sentence} ({failures} failures so far)", pause: false);
    }

    private static bool IsFull(Exception failure) => failure is BlockIoException { Errno: BlockIoException.Enospc or QuotaExceeded };

    private const int QuotaExceeded = 122;          // EDQUOT
}
