using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Luks;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Hutch.Dev.Bench;
using Hutch.Host.Time;

namespace Hutch.Dev.Simulation;

/// <summary>
/// The verb <c>./dev fuzz block</c>: damages images of all kinds and opens, reads, writes and checks them. Anything but a refusal or a failed request is a
/// defect, and so is a run that takes much CPU time or memory; its image is kept.
/// </summary>
internal sealed class BlockFuzz(string root, int seed)
{
    private const int Requests = 30, HeadBytes = 4096, MostDefects = 10;
    private const long MostBytesOfARun = 64 << 20;
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(10);

    private long _longestTicks;

    /// <summary>Runs so many mutations; status 1 for a defect.</summary>
    internal int Run(int mutations)
    {
        Console.WriteLine($"{mutations} damaged images, seed {seed}; './dev fuzz block {mutations} {seed}' does the same again");
        List<(string Kind, MemoryNode Image)> images = [];
        foreach (string kind in StoryImages.Kinds) images.Add((kind, MakeAsync(kind).GetAwaiter().GetResult()));
        images.Add(("luks", MemoryNode.Of(LuksCreation.Create(LuksCreateOptions.Parse(new Dictionary<string, string> { ["iter-time"] = "1" }, ""), "abc"u8, new MonotonicClock()))));
        LimitMemory(Environment.ProcessorCount);
        int defects = 0;
        ConcurrentQueue<int> large = [];
        Workers.Run("mutations", mutations, (_, index) =>
        {
            (string kind, MemoryNode image) = images[index % images.Count];
            if (index >= mutations || Try(kind, image, index) is not { } wrong) return 1;
            // Another worker may have had the memory.
            if (wrong is OutOfMemoryException) large.Enqueue(index);
            // Enough is known: all that are left count as done.
            else if (Report(kind, image, index, wrong, ref defects) >= MostDefects) return mutations;
            return 1;
        });
        if (!large.IsEmpty) LimitMemory(1);
        foreach (int index in large)
        {
            (string kind, MemoryNode image) = images[index % images.Count];
            if (Try(kind, image, index) is { } wrong) Report(kind, image, index, wrong, ref defects);
        }
        Console.WriteLine($"{defects} defects; the longest run took {TimeSpan.FromTicks(_longestTicks).TotalMilliseconds:F0} ms of CPU, {large.Count} ran again alone, within {MostBytesOfARun >> 20} MiB");
        return defects == 0 ? 0 : 1;
    }

    // What each of the workers may have alive at once on top of what there is; who wants more gets an OutOfMemoryException.
    private static void LimitMemory(int workers)
    {
        // The limit cannot be below what is held, so that is given back first.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        long limit = GC.GetTotalMemory(forceFullCollection: true) + workers * MostBytesOfARun;
        AppContext.SetData("GCHeapHardLimit", (ulong)limit);
        GC.RefreshMemoryLimit();
    }

    private MemoryNode Damage(string kind, MemoryNode image, int index) =>
        // Most of what decides lies at the beginning.
        new ImageMutator(new Random(seed + index)).Damage(StoryImages.FormatOf(kind), image, (0, 200), (0, HeadBytes), (0, (int)image.LengthBytes));

    private int Report(string kind, MemoryNode image, int index, Exception wrong, ref int defects)
    {
        string path = Path.Combine(Directory.CreateDirectory(Path.Combine(root, "build", "fuzz")).FullName, $"{StoryImages.FormatOf(kind)}-{seed}-{index}");
        File.WriteAllBytes(path, Damage(kind, image, index).ToArray());
        Console.WriteLine($"DEFECT in mutation {index} of {kind}, kept as {path}: {wrong}");
        return Interlocked.Increment(ref defects);
    }

    // What is wrong, or null.
    private Exception? Try(string kind, MemoryNode image, int index)
    {
        long start = ThreadClock.Nanoseconds();
        try
        {
            ImageFuzz.Run(StoryImages.FormatOf(kind), Damage(kind, image, index));
        }
        catch (Exception e)
        {
            return e;
        }
        TimeSpan time = TimeSpan.FromMicroseconds((ThreadClock.Nanoseconds() - start) / 1000);
        Raise(ref _longestTicks, time.Ticks);
        return time > LongestRun ? new TimeoutException($"It took {time.TotalSeconds:F0} s.") : null;
    }

    private static void Raise(ref long most, long value)
    {
        for (long seen = Interlocked.Read(ref most); value > seen; seen = Interlocked.Read(ref most))
            if (Interlocked.CompareExchange(ref most, value, seen) == seen) return;
    }

    private async Task<MemoryNode> MakeAsync(string kind)
    {
        ImageStory story = await ImageStory.TellAsync(await StoryImages.MakeAsync(kind), seed, Requests);
        byte[] image = new byte[story.Recording.LengthBytes];
        await story.Recording.ReadBytesAsync(0, image, CancellationToken.None);
        return MemoryNode.Of(image);
    }
}
