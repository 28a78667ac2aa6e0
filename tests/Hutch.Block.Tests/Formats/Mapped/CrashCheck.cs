using System;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;

namespace Hutch.Block.Tests.Formats.Mapped;

/// <summary>Tells a story of an image and looks at what power losses leave of it.</summary>
internal static class CrashCheck
{
    private const int States = 40, Requests = 60;

    /// <summary>Carries it out.</summary>
    /// <param name="image">The image as it is before, durably.</param>
    /// <param name="lengthBytes">Length of its disk.</param>
    /// <param name="initialTag">What each sector is filled with before (see <see cref="Fill"/>); 0 for zeros.</param>
    /// <param name="open">Opens the image for writing and owns the node.</param>
    /// <param name="seed">Of requests and losses.</param>
    internal static async Task RunAsync(MemoryNode image, int lengthBytes, int initialTag, Func<BlockNode, Task<BlockNode>> open, int seed)
    {
        StoryImage beginning = new(image, Tags(lengthBytes / SectorTags.SectorBytes, initialTag), HasSnapshots: false, IsOrdered: false, open);
        ImageStory story = await ImageStory.TellAsync(beginning, seed, Requests);
        StoryCheck check = new(story, seed);
        for (int i = 1; i <= States; i++) await check.JudgeAsync(check.LastMoment * i / States, extremes: i == States);
    }

    /// <summary>Sectors that say which write they are of.</summary>
    internal static byte[] Fill(int sectors, int tag) => SectorTags.ToBytes(Tags(sectors, tag));

    private static int[] Tags(int sectors, int tag)
    {
        int[] tags = new int[sectors];
        Array.Fill(tags, tag);
        return tags;
    }
}
