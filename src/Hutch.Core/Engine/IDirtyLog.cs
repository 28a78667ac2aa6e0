using System;

namespace Hutch.Core.Engine;

/// <summary>
/// Which 4 KiB pages of RAM were written, by the guest or by the host (<see cref="Memory.GuestMemory"/>). Pages are numbered through RAM as one run:
/// those below the hole first, then those from 4 GiB on. One thread at a time; vCPUs may run.
/// </summary>
public interface IDirtyLog
{
    /// <summary>Pages of RAM; a bitmap has a bit for each, in whole words.</summary>
    int PageCount { get; }

    /// <summary>Begins to note writes; none is noted yet.</summary>
    void Start();

    /// <summary>
    /// Adds the pages that were written since the last call to <paramref name="bitmap"/>, and forgets them. With all vCPUs stopped the answer is
    /// exact. While they run a write may be in a later answer instead, and a page's content is to be read after the call.
    /// </summary>
    void Take(Span<ulong> bitmap);

    /// <summary>Stops noting writes.</summary>
    void Stop();
}
