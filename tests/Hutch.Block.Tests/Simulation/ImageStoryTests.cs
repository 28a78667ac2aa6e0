using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Simulation;

/// <summary>A sample of what <c>./dev sim block</c> does: stories of all kinds of images, and power losses in them.</summary>
public sealed class ImageStoryTests
{
    private const int Requests = 60, Moments = 25;

    public static IEnumerable<object[]> Kinds => StoryImages.Kinds.Select(static kind => new object[] { kind });

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task An_image_holds_what_was_written_and_after_a_power_loss_what_was_flushed(string kind)
    {
        int seed = 1 + StoryImages.Kinds.ToList().IndexOf(kind);
        ImageStory story = await ImageStory.TellAsync(await StoryImages.MakeAsync(kind), seed, Requests);
        StoryCheck check = new(story, seed);
        for (int i = 1; i <= Moments; i++) await check.JudgeAsync(check.LastMoment * i / Moments, extremes: i % 5 == 0);
        Assert.Equal(Moments + (2 * (Moments / 5)), check.States);
    }

    // Stories in which something was wrong once.
    [Theory]
    [InlineData("qcow2 cluster_size=2k,lazy_refcounts=on", 20261231)]
    public async Task A_story_that_went_wrong_goes_well(string kind, int seed)
    {
        ImageStory story = await ImageStory.TellAsync(await StoryImages.MakeAsync(kind), seed, Requests);
        StoryCheck check = new(story, seed);
        for (long moment = 1; moment <= check.LastMoment; moment++) await check.JudgeAsync(moment, extremes: moment % 8 == 0);
        Assert.True(check.States > check.LastMoment);
    }

    [Fact]
    public async Task Lost_data_is_noticed()
    {
        StoryImage image = await StoryImages.MakeAsync("qcow2 cluster_size=4k");
        ImageStory story = await ImageStory.TellAsync(image, 1, Requests);
        // The empty image in place of the one that was written.
        StoryCheck check = new(story, 1) { OpenAsync = _ => image.OpenAsync(image.Content.Copy()) };
        await Assert.ThrowsAsync<StoryException>(() => check.JudgeAsync(check.LastMoment, extremes: true));
    }
}
