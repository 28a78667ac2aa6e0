using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Hutch.Dev.Iotests;

namespace Hutch.Dev.Simulation;

/// <summary>Shows images of stories to qemu-img, and lets QEMU write some.</summary>
/// <param name="folder">For its files; one thread uses it.</param>
internal sealed class QemuImages(string folder)
{
    private const int Requests = 25, LargestCluster = 65536, QemuCheckLeaks = 3, QemuCheckUnsupported = 63;

    // Byte 79 of qcow2's header is the last of the incompatible features, of which bit 0 is "dirty".
    private const int FeaturesOffset = 79;

    private string Image => Path.Combine(folder, "image");

    private string Raw => Path.Combine(folder, "raw");

    /// <summary>qemu-img must find an image of ours without fault, and the disk in it that the story says.</summary>
    internal void CompareOurs(string kind, ImageStory story)
    {
        Save(story.Image, story.Recording);
        int status = Check(kind, out string said);
        if (status is not (0 or QemuCheckUnsupported)) throw new StoryException($"qemu-img check ends with {status}: {said}");
        File.WriteAllBytes(Raw, SectorTags.ToBytes(story.Tags));
        // A format that counts in cylinders has a longer disk; what is behind is zeros.
        (status, said) = Shell.Run(folder, "qemu-img", "compare", "-f", StoryImages.FormatOf(kind), "-F", "raw", Image, Raw);
        if (status != 0) throw new StoryException($"qemu-img compare ends with {status}: {said}");
    }

    /// <summary>qemu-img must find leaks at the most in what a power loss left, after the repair that a dirty image asks for.</summary>
    internal void CheckLeaksAtMost(string kind, StoryImage beginning, MemoryNode state)
    {
        Save(beginning, state);
        byte[] features = new byte[1];
        state.Read(FeaturesOffset, features);
        bool isDirty = StoryImages.FormatOf(kind) == "qcow2" && (features[0] & 1) != 0;
        if (isDirty && Shell.Run(folder, "qemu-img", "check", "-q", "-r", "all", "-f", "qcow2", Image) is not (0, _)) throw new StoryException("qemu-img check -r all does not mend a dirty image");
        int status = Check(kind, out string said);
        if (status is not (0 or QemuCheckLeaks or QemuCheckUnsupported)) throw new StoryException($"qemu-img check of what a power loss left ends with {status}: {said}");
    }

    /// <summary>An image that qemu-io writes must read the same by us, and be without fault to us.</summary>
    internal async Task<int> ReadTheirsAsync(string kind, Random random)
    {
        string format = StoryImages.FormatOf(kind);
        StoryImage plan = await StoryImages.MakeAsync(kind).ConfigureAwait(false);
        long length = (long)plan.Tags.Length * SectorTags.SectorBytes;
        File.Delete(Image);
        WriteBacking(plan);
        string options = string.Join(',', StoryImages.OptionsOf(kind).Select(static option => $"{option.Key}={option.Value}"));
        Shell.Must(folder, "qemu-img", ["create", "-q", "-f", format, .. options.Length == 0 ? [] : new[] { "-o", options }, Image, $"{length}"]);
        Shell.Must(folder, "qemu-io", ["-f", format, .. Commands(kind, length, random), Image]);
        Shell.Must(folder, "qemu-img", "convert", "-f", format, "-O", "raw", Image, Raw);
        MemoryNode file = new(0);
        file.Write(0, File.ReadAllBytes(Image));
        BlockNode node = await plan.OpenAsync(file).ConfigureAwait(false);
        await using (node.ConfigureAwait(false))
        {
            byte[] theirs = File.ReadAllBytes(Raw), ours = new byte[node.LengthBytes];
            await node.ReadBytesAsync(0, ours, CancellationToken.None).ConfigureAwait(false);
            if (!theirs.AsSpan().SequenceEqual(ours)) throw new StoryException($"Byte {theirs.AsSpan().CommonPrefixLength(ours)} of what QEMU wrote reads differently.");
            if (node is not IImageCheck check) return 1;
            List<string> said = [];
            ImageCheckResult result = await check.CheckAsync(ImageRepair.None, said.Add, CancellationToken.None).ConfigureAwait(false);
            if (result.Corruptions + result.CheckErrors + result.Leaks != 0) throw new StoryException($"Our check finds fault with what QEMU wrote: {string.Join("; ", said)}");
        }
        return 1;
    }

    private static IEnumerable<string> Commands(string kind, long length, Random random)
    {
        bool compresses = StoryImages.FormatOf(kind) == "qcow2";
        for (int i = 0; i < Requests; i++)
        {
            int count = random.Next(1, random.Next(4) == 0 ? 200 : 40);
            long offset = random.Next((int)(length / SectorTags.SectorBytes) - count) * (long)SectorTags.SectorBytes, bytes = (long)count * SectorTags.SectorBytes;
            string range = string.Create(CultureInfo.InvariantCulture, $"{offset} {bytes}");
            yield return "-c";
            // QEMU compresses only where nothing is yet.
            if (compresses && i < length / LargestCluster / 2)
            {
                yield return string.Create(CultureInfo.InvariantCulture, $"write -q -c -P {1 + random.Next(255)} {i * LargestCluster} {LargestCluster}");
                continue;
            }
            yield return random.Next(10) switch
            {
                0 => $"write -q -z {range}",
                1 => $"write -q -z -u {range}",
                2 => $"discard -q {range}",
                _ => string.Create(CultureInfo.InvariantCulture, $"write -q -P {1 + random.Next(255)} {range}"),
            };
        }
    }

    private void WriteBacking(StoryImage image) => File.WriteAllBytes(Path.Combine(folder, "b"), SectorTags.ToBytes(image.Tags));

    private int Check(string kind, out string said)
    {
        (int status, said) = Shell.Run(folder, "qemu-img", "check", "-f", StoryImages.FormatOf(kind), Image);
        return status;
    }

    private void Save(StoryImage beginning, BlockNode content)
    {
        WriteBacking(beginning);
        byte[] bytes = new byte[content.LengthBytes];
        content.ReadBytesAsync(0, bytes, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        File.WriteAllBytes(Image, bytes);
    }
}
