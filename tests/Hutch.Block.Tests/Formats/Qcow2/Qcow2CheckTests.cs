using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>The check finds, tells and mends what qemu-img does.</summary>
public sealed class Qcow2CheckTests : IDisposable
{
    private const int LengthBytes = 2 << 20;

    private static readonly string[] s_beginnings = ["ERROR", "Leaked", "Repairing", "Rebuilding", "Discarding", "Can't", "Use qemu-img"];

    private readonly string _folder = Directory.CreateTempSubdirectory("qcow2").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Leaks_and_errors_are_told_and_mended()
    {
        byte[] image = await MakeImage("");
        // The second refcount of an L2 table that has one, and a leaked cluster behind the image's end.
        byte[] broken = [.. image, .. new byte[65536]];
        int block = 2 * 65536, last = image.Length / 65536;
        BinaryPrimitives.WriteUInt16BigEndian(broken.AsSpan(block + (last * 2)), 1);
        MemoryFile file = new(broken);
        (ImageCheckResult found, List<string> messages) = await Check(file, ImageRepair.None);
        Assert.Equal((0, 1), (found.Corruptions, found.Leaks));
        Assert.Equal([$"Leaked cluster {last} refcount=1 reference=0"], messages);
        (ImageCheckResult mended, _) = await Check(file, ImageRepair.Leaks);
        Assert.Equal((0, 0, 1), (mended.Corruptions, mended.Leaks, mended.LeaksFixed));
        Assert.Empty((await Check(file, ImageRepair.None)).Messages);
    }

    [Fact]
    public async Task An_image_without_refcounts_gets_new_ones()
    {
        byte[] image = await MakeImage("cluster_size=4k");
        byte[] broken = [.. image];
        broken.AsSpan(4096, 4096).Clear();
        MemoryFile file = new(broken);
        (ImageCheckResult mended, List<string> messages) = await Check(file, ImageRepair.Leaks | ImageRepair.Errors);
        Assert.Contains("Rebuilding refcount structure", messages);
        Assert.Equal((0, 0), (mended.Corruptions, mended.Leaks));
        Assert.Empty((await Check(file, ImageRepair.None)).Messages);
        Assert.Equal(await ReadAll(new MemoryFile(image)), await ReadAll(file));
    }

    [Fact]
    public async Task A_dirty_image_is_repaired_when_it_is_opened_for_writing()
    {
        byte[] image = await MakeImage("lazy_refcounts=on,cluster_size=4k");
        byte[] content = await ReadAll(new MemoryFile([.. image]));
        image[Qcow2HeaderWriter.IncompatibleOffset + 7] |= 1;
        // The refcounts of everything but the first clusters were never written.
        image.AsSpan((2 * 4096) + 40, 4096 - 40).Clear();
        MemoryFile file = new(image);
        await using (Qcow2Node check = await Qcow2Images.OpenAsync(file, forCheck: true)) Assert.True(check.IsDirty);
        await using (Qcow2Node check = await Qcow2Images.OpenAsync(file, readOnly: true)) Assert.True(check.IsDirty);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file)) Assert.False(node.IsDirty);
        Assert.Empty((await Check(file, ImageRepair.None)).Messages);
        Assert.Equal(content, await ReadAll(file));
    }

    [QemuTheory("qemu-img")]
    [InlineData("", 1)]
    [InlineData("cluster_size=512", 2)]
    [InlineData("cluster_size=4k,compat=0.10", 3)]
    [InlineData("extended_l2=on,cluster_size=16k", 4)]
    [InlineData("refcount_bits=32,cluster_size=1k", 5)]
    public async Task Random_damage_is_found_as_qemu_img_finds_it(string options, int seed)
    {
        byte[] image = await MakeImage(options);
        Random random = new(seed);
        for (int round = 0; round < 4; round++)
        {
            byte[] broken = [.. image];
            Break(broken, random);
            string path = Path.Combine(_folder, "image");
            await File.WriteAllBytesAsync(path, broken);
            (JsonElement? theirs, string[] theirMessages) = Qemu("check", "-f", "qcow2", "--output=json", path);
            (ImageCheckResult ours, List<string> ourMessages) = await Check(new MemoryFile(broken), ImageRepair.None);
            Assert.Equal(theirMessages, ourMessages);
            Assert.Equal(Describe(theirs!.Value), Describe(ours));
        }
    }

    [QemuTheory("qemu-img")]
    [InlineData("", 11)]
    [InlineData("cluster_size=512", 12)]
    [InlineData("cluster_size=4k,compat=0.10", 13)]
    [InlineData("refcount_bits=32,cluster_size=1k", 14)]
    public async Task Damage_that_we_mend_is_mended_in_its_eyes(string options, int seed)
    {
        byte[] image = await MakeImage(options);
        Random random = new(seed);
        for (int round = 0; round < 4; round++)
        {
            byte[] broken = [.. image];
            Break(broken, random);
            MemoryFile file = new(broken);
            (ImageCheckResult ours, List<string> messages) = await Check(file, ImageRepair.Leaks | ImageRepair.Errors);
            string path = Path.Combine(_folder, "image");
            await File.WriteAllBytesAsync(path, file.Content);
            (JsonElement? theirs, string[] theirMessages) = Qemu("check", "-f", "qcow2", "--output=json", path);
            Assert.True(ours.Leaks == Count(theirs!.Value, "leaks") && ours.Corruptions == Count(theirs.Value, "corruptions"),
                $"{options} {round}\n{string.Join('\n', messages)}\n---\n{string.Join('\n', theirMessages)}");
        }
    }

    // Changes words of the metadata: swapped for others, cleared, flags flipped, moved out of alignment or out of the file.
    private static void Break(byte[] image, Random random)
    {
        Qcow2Header header = Qcow2HeaderReader.Parse(image[..(1 << BinaryPrimitives.ReadInt32BigEndian(image.AsSpan(20)))], new ImageOpenOptions { ReadOnly = true });
        List<int> words = [];
        for (int i = 0; i < header.L1Entries; i++)
        {
            int l1 = (int)header.L1Offset + (i * 8), l2 = (int)(BinaryPrimitives.ReadUInt64BigEndian(image.AsSpan(l1)) & Qcow2Limits.L1OffsetMask);
            if (l2 == 0) continue;
            words.Add(l1);
            int entryBytes = header.Has(Qcow2Features.ExtendedL2) ? 16 : 8;
            for (int j = 0; j < header.ClusterBytes; j += entryBytes)
                if (BinaryPrimitives.ReadUInt64BigEndian(image.AsSpan(l2 + j)) != 0) words.Add(l2 + j);
        }
        int block = (int)BinaryPrimitives.ReadUInt64BigEndian(image.AsSpan((int)header.RefcountTableOffset));
        for (int i = 0; i < Math.Min(header.ClusterBytes, image.Length / header.ClusterBytes * 2); i += 8) words.Add(block + i);
        for (int i = random.Next(1, 5); i > 0; i--)
        {
            Span<byte> at = image.AsSpan(words[random.Next(words.Count)]);
            ulong word = BinaryPrimitives.ReadUInt64BigEndian(at);
            word = random.Next(5) switch
            {
                0 => BinaryPrimitives.ReadUInt64BigEndian(image.AsSpan(words[random.Next(words.Count)])),
                1 => 0,
                2 => word ^ Qcow2Limits.CopiedFlag,
                3 => word ^ (1UL << random.Next(9, 40)),
                _ => word ^ (1UL << random.Next(64)),
            };
            BinaryPrimitives.WriteUInt64BigEndian(at, word);
        }
    }

    private static async Task<byte[]> MakeImage(string options)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, options);
        byte[] model = new byte[LengthBytes];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await Qcow2SnapshotTests.Fill(node, model, new Random(1));
            if (!options.Contains("lazy", StringComparison.Ordinal)) await node.CreateSnapshotAsync(Qcow2SnapshotTests.Info("s"), default);
            await Qcow2SnapshotTests.Fill(node, model, new Random(2));
        }
        return file.Content;
    }

    private static async Task<(ImageCheckResult Result, List<string> Messages)> Check(MemoryFile file, ImageRepair repair)
    {
        List<string> messages = [];
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file, readOnly: repair == ImageRepair.None, forCheck: true);
        return (await node.CheckAsync(repair, messages.Add, default), messages);
    }

    private static async Task<byte[]> ReadAll(MemoryFile file)
    {
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file, readOnly: true);
        return await BlockNodeContract.Read(node, 0, LengthBytes);
    }

    private static (JsonElement? Json, string[] Messages) Qemu(params string[] arguments)
    {
        string text = Tests.Qemu.Run("qemu-img", arguments).Text;
        int start = text.IndexOf('{', StringComparison.Ordinal), end = text.IndexOf("\n}", StringComparison.Ordinal);
        string[] messages = [.. text.Split('\n').Where(static line => s_beginnings.Any(beginning => line.StartsWith(beginning, StringComparison.Ordinal)))];
        return (start < 0 ? null : JsonDocument.Parse(text[start..(end + 2)]).RootElement, messages);
    }

    private static long Count(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) ? value.GetInt64() : 0;

    private static string Describe(JsonElement json) => Describe(Count(json, "corruptions"), Count(json, "leaks"), Count(json, "check-errors"), Count(json, "image-end-offset"),
        Count(json, "total-clusters"), Count(json, "allocated-clusters"), Count(json, "fragmented-clusters"), Count(json, "compressed-clusters"));

    private static string Describe(ImageCheckResult result) => Describe(result.Corruptions, result.Leaks, result.CheckErrors, result.ImageEndOffset, result.TotalClusters,
        result.AllocatedClusters, result.FragmentedClusters, result.CompressedClusters);

    private static string Describe(params long[] counts) => string.Join(' ', counts.Select(static count => count.ToString(CultureInfo.InvariantCulture)));
}
