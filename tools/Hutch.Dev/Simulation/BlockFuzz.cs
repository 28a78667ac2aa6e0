using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats.Luks;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Hutch.Host.Time;

namespace Hutch.Dev.Simulation;

/// <summary>
/// The verb <c>./dev fuzz block</c>: damages images of all kinds and opens, reads, writes and checks them. Anything but a refusal or a failed request is a
/// defect, and so is a run that takes long; its image is kept.
/// </summary>
internal sealed class BlockFuzz(string root, int seed)
{
    private const int Requests = 30, HeadBytes = 4096;
    private static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(10);

    private long _longestTicks, _mostBytes;

    /// <summary>Runs so many mutations; status 1 for a defect.</summary>
    internal int Run(int mutations)
    {
        Console.WriteLine($"{mutations} damaged images, seed {seed}; './dev fuzz block {mutations} {seed}' does the same again");
        List<(string Kind, byte[] Image)> images = [];
        foreach (string kind in StoryImages.Kinds) images.Add((kind, MakeAsync(kind).GetAwaiter().GetResult()));
        images.Add(("luks", LuksCreation.Create(LuksCreateOptions.Parse(new Dictionary<string, string> { ["iter-time"] = "1" }, ""), "abc"u8, new MonotonicClock()).Header));
        int defects = 0;
        _ = Parallel.For(0, mutations, (index, state) =>
        {
            (string kind, byte[] image) = images[index % images.Count];
            string format = StoryImages.FormatOf(kind);
            // Most of what decides lies at the beginning.
            byte[] damaged = new ImageMutator(new Random(seed + index)).Damage(format, image, (0, 200), (0, HeadBytes), (0, image.Length));
            if (Try(format, damaged) is not { } wrong) return;
            string path = Path.Combine(Directory.CreateDirectory(Path.Combine(root, "build", "fuzz")).FullName, $"{format}-{seed}-{index}");
            File.WriteAllBytes(path, damaged);
            Console.WriteLine($"DEFECT in mutation {index} of {kind}, kept as {path}: {wrong}");
            if (Interlocked.Increment(ref defects) == 10) state.Stop();
        });
        Console.WriteLine($"{defects} defects; the longest run took {TimeSpan.FromTicks(_longestTicks).TotalMilliseconds:F0} ms, the one with most memory allocated {_mostBytes >> 20} MiB in all");
        return defects == 0 ? 0 : 1;
    }

    // What is wrong, or null.
    private string? Try(string format, byte[] damaged)
    {
        long start = Stopwatch.GetTimestamp(), allocated = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            ImageFuzz.Run(format, damaged);
        }
        catch (Exception e)
        {
            return e.ToString();
        }
        TimeSpan time = Stopwatch.GetElapsedTime(start);
        Raise(ref _longestTicks, time.Ticks);
        Raise(ref _mostBytes, GC.GetAllocatedBytesForCurrentThread() - allocated);
        return time > LongestRun ? $"it took {time.TotalSeconds:F0} s" : null;
    }

    private static void Raise(ref long most, long value)
    {
        for (long seen = Interlocked.Read(ref most); value > seen; seen = Interlocked.Read(ref most))
            if (Interlocked.CompareExchange(ref most, value, seen) == seen) return;
    }

    private async Task<byte[]> MakeAsync(string kind)
    {
        ImageStory story = await ImageStory.TellAsync(await StoryImages.MakeAsync(kind), seed, Requests);
        byte[] image = new byte[story.Recording.LengthBytes];
        await story.Recording.ReadBytesAsync(0, image, CancellationToken.None);
        return image;
    }
}
