using System;

namespace Hutch.Block.Tests;

/// <summary>How much of it code on a hot path takes.</summary>
internal static class ManagedMemory
{
    private const int Rounds = 5;

    /// <summary>
    /// The bytes that the cheapest of several rounds allocates on this thread. Code that allocates does so in each of them; the runtime itself, when it compiles
    /// anew what runs often, only in some.
    /// </summary>
    internal static long Taken(Action round)
    {
        long least = long.MaxValue;
        for (int i = 0; i < Rounds && least != 0; i++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            round();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
