using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Block.Formats;

/// <summary>A snapshot inside an image.</summary>
/// <param name="Id">Id, a number in text.</param>
/// <param name="Name">Name; not unique by force.</param>
/// <param name="VmStateBytes">Length of the machine's state; 0 for a snapshot of the disk alone.</param>
/// <param name="DateSeconds">When it was taken, in seconds since 1970.</param>
/// <param name="DateNanoseconds">And the part of a second.</param>
/// <param name="VmClockNanoseconds">The machine's clock.</param>
/// <param name="Icount">Instruction count, -1 where there is none.</param>
/// <param name="DiskBytes">The disk's length then.</param>
public sealed record ImageSnapshot(string Id, string Name, long VmStateBytes, long DateSeconds, int DateNanoseconds, long VmClockNanoseconds, long Icount, long DiskBytes);

/// <summary>Snapshots inside an image. Names are looked up by id first, then by name, as qemu-img does.</summary>
public interface IImageSnapshots
{
    /// <summary>All, in the table's order.</summary>
    IReadOnlyList<ImageSnapshot> Snapshots { get; }

    /// <summary>Takes one of the disk as it is. Times are the caller's.</summary>
    ValueTask CreateSnapshotAsync(ImageSnapshot snapshot, CancellationToken cancellation);

    /// <summary>Makes the disk what it was.</summary>
    ValueTask ApplySnapshotAsync(string idOrName, CancellationToken cancellation);

    /// <summary>Gives one up.</summary>
    ValueTask DeleteSnapshotAsync(string idOrName, CancellationToken cancellation);

    /// <summary>Shows a snapshot's content for reading, until the image is closed; writing is refused from then on.</summary>
    ValueTask LoadSnapshotAsync(string idOrName, CancellationToken cancellation);
}
