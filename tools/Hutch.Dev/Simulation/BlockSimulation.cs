using System;
using System.Diagnostics;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block.Simulation;

namespace Hutch.Dev.Simulation;

/// <summary>
/// The verb <c>./dev sim block</c>: seeded stories of images of all kinds. What we write, qemu-img must check and read; what QEMU writes, we must read; what a
/// power loss leaves must be an image that has all that was flushed; and a program that is killed must leave an image that is whole.
/// </summary>
internal sealed class BlockSimulation(string root, int seed)
{
    private const int Requests = 60;

    // Every so many states of a power loss are shown to qemu-img, too.
    private const int StatesForEachCheck = 200;

    /// <summary>Runs; status 1 where something is wrong.</summary>
    /// <param name="sequences">Sequences of requests, half of them by QEMU.</param>
    /// <param name="states">States that power losses leave.</param>
    /// <param name="kills">Programs that are killed.</param>
    internal int Run(int sequences, int states, int kills)
    {
        Console.WriteLine($"seed {seed}; './dev sim block {sequences} {states} {kills} {seed}' does the same again");
        using ScratchFolder scratch = new("hutch-sim");
        string folder = scratch.Path;
        try
        {
            Part("sequences that we wrote, checked and compared by qemu-img", (sequences + 1) / 2, folder, (index, images) => WriteAsync(index, images));
            Part("sequences that QEMU wrote, read by us", sequences / 2, folder, (index, images) => images.ReadTheirsAsync(KindOf(index), new Random(seed + index)));
            Part("states that power losses left", states, folder, JudgeAsync);
            return new KillSimulation(root, folder, seed).Run(kills);
        }
        catch (StoryException wrong)
        {
            Console.WriteLine($"FAILED: {wrong.Message}");
            return 1;
        }
    }

    private static string KindOf(int index) => StoryImages.Kinds[index % StoryImages.Kinds.Count];

    // Each worker has a folder of its own. A step does at least one of the things that are counted.
    private void Part(string what, int goal, string folder, Func<int, QemuImages, Task<int>> step)
    {
        long start = Stopwatch.GetTimestamp();
        QemuImages[] images = new QemuImages[Environment.ProcessorCount];
        for (int i = 0; i < images.Length; i++) images[i] = new QemuImages(Directory.CreateDirectory(Path.Combine(folder, $"{i}")).FullName);
        long done = Workers.Run(what, goal, (worker, index) =>
        {
            try
            {
                return step(index, images[worker]).GetAwaiter().GetResult();
            }
            catch (Exception e)
            {
                throw new StoryException($"story {index}, {KindOf(index)}: {(e is StoryException ? e.Message : e.ToString())}", e);
            }
        });
        Console.WriteLine($"{done} {what}: none wrong ({Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s)");
    }

    private async Task<int> WriteAsync(int index, QemuImages images)
    {
        ImageStory story = await ImageStory.TellAsync(await StoryImages.MakeAsync(KindOf(index)), seed + index, Requests);
        images.CompareOurs(KindOf(index), story);
        return 1;
    }

    private async Task<int> JudgeAsync(int index, QemuImages images)
    {
        ImageStory story = await ImageStory.TellAsync(await StoryImages.MakeAsync(KindOf(index)), seed + index, Requests);
        StoryCheck? check = null;
        check = new StoryCheck(story, seed + index)
        {
            Good = state =>
            {
                if (story.Image.IsOrdered && check!.States % StatesForEachCheck == 0) images.CheckLeaksAtMost(KindOf(index), story.Image, state);
                return Task.CompletedTask;
            },
        };
        for (long moment = 1; moment <= check.LastMoment; moment++) await check.JudgeAsync(moment, extremes: moment % 8 == 0);
        return check.States;
    }
}
