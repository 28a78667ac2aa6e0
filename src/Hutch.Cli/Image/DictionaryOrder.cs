using System.Collections.Generic;

namespace Hutch.Cli.Image;

/// <summary>
/// The order in which the tools that scripts know print the members of objects. They keep them in a hash table with 512 buckets and walk it; readers
/// should not care, but some compare texts.
/// </summary>
internal static class DictionaryOrder
{
    private const uint Buckets = 512;

    /// <summary>Sorts members.</summary>
    internal static KeyValuePair<string, object>[] Sort(IReadOnlyList<KeyValuePair<string, object>> members)
    {
        KeyValuePair<string, object>[] sorted = new KeyValuePair<string, object>[members.Count];
        // Of two in one bucket the later comes first.
        for (int i = 0; i < sorted.Length; i++) sorted[i] = members[sorted.Length - 1 - i];
        for (int i = 1; i < sorted.Length; i++)
        {
            KeyValuePair<string, object> member = sorted[i];
            uint bucket = BucketOf(member.Key);
            int at = i;
            for (; at > 0 && BucketOf(sorted[at - 1].Key) > bucket; at--) sorted[at] = sorted[at - 1];
            sorted[at] = member;
        }
        return sorted;
    }

    // A name's sum of characters, each shifted by its place, begun with its length, in a linear congruential step.
    private static uint BucketOf(string name)
    {
        uint value = unchecked(0x238F13AFu * (uint)name.Length);
        for (int i = 0; i < name.Length; i++) value = unchecked(value + ((uint)name[i] << (i * 5 % 24)));
        return unchecked((1103515243u * value) + 12345u) % Buckets;
    }
}
