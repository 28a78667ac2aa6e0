using System;

namespace Hutch.Host.DiskIo;

/// <summary>What a request to a <see cref="DiskEngine"/> is.</summary>
public enum DiskOperation
{
    /// <summary>Memory is filled from the file; zeros behind its end.</summary>
    Read,

    /// <summary>Memory is written to the file.</summary>
    Write,

    /// <summary>As a write, and durable when it completes.</summary>
    DurableWrite,

    /// <summary>Everything written before becomes durable (fdatasync(2)).</summary>
    Sync,

    /// <summary>The client's own calls, which may block: <see cref="IDiskClient.Work"/>.</summary>
    Work,
}

/// <summary>Who gives requests to an engine. The methods are called on an engine's threads, several at once, and must be quick except for <see cref="Work"/>.</summary>
public interface IDiskClient
{
    /// <summary>Continuations run on the engine's own thread; they must not wait for other requests. Otherwise they run on the thread pool.</summary>
    bool ContinuesInline { get; }

    /// <summary>Carries out a request of kind <see cref="DiskOperation.Work"/>. What it throws is what the request's awaiter sees.</summary>
    void Work(in DiskWork work);

    /// <summary>A request has ended; its completion is told when this returns.</summary>
    /// <param name="work">Which.</param>
    /// <param name="failure">What went wrong, or null.</param>
    /// <returns>What the awaiter sees, null for success.</returns>
    Exception? Ended(in DiskWork work, Exception? failure);
}

/// <summary>A request as its client described it.</summary>
/// <param name="Operation">What it is.</param>
/// <param name="Offset">Where it begins, in bytes.</param>
/// <param name="LengthBytes">How long it is, in bytes.</param>
/// <param name="Tag">The client's own.</param>
public readonly record struct DiskWork(DiskOperation Operation, long Offset, long LengthBytes, int Tag);
