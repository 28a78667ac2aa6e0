using System;

namespace Hutch.Block.Simulation;

/// <summary>A change of a disk in a story.</summary>
/// <param name="Order">Its number among the requests: one that touched no storage begins and ends at one moment, perhaps that of a flush before it.</param>
/// <param name="Begun">The storage's moment at which it was asked.</param>
/// <param name="First">The first sector.</param>
/// <param name="After">What the sectors hold after it.</param>
/// <param name="IsDiscard">The sectors were discarded: zeros, or what the image began with, may show, too.</param>
internal sealed record StoryChange(int Order, long Begun, int First, int[] After, bool IsDiscard)
{
    /// <summary>Whether a sector that a power loss left with <paramref name="tag"/> may have it from this change.</summary>
    internal bool Allows(int sector, int tag, int initial)
    {
        int index = sector - First;
        return (uint)index < (uint)After.Length && (After[index] == tag || (IsDiscard && (tag == 0 || tag == initial)));
    }
}

/// <summary>An image that does not hold what it must. The message says what and when.</summary>
internal sealed class StoryException : Exception
{
    internal StoryException(string message) : base(message) { }

    internal StoryException(string message, Exception inner) : base(message, inner) { }
}
