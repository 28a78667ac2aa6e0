using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Luks;
using Hutch.Block.Simulation;
using Hutch.Block.Tests.Formats.Mapped;
using Hutch.Host.Time;
using Xunit;

namespace Hutch.Block.Tests.Simulation;

/// <summary>A sample of mutations of good images, the same each time.</summary>
public sealed class ImageFuzzTests
{
    private const int Mutations = 80;

    // Places worth changing: what the format keeps there decides about the rest.
    [Theory]
    [InlineData("vdi", "", "0-512 512-640")]
    [InlineData("vpc", "force_size=on", "0-512 512-1536 1536-1560")]
    [InlineData("vpc", "force_size=on,subformat=fixed", "0-512 2097152-2097664")]
    [InlineData("vhdx", "block_size=1M", "0-16 65536-65632 131072-131168 196608-196704 2097152-2097400 2162688-2162740 3145728-3145800")]
    [InlineData("vmdk", "", "0-96 512-1024 10752-10760 11264-11300 13312-13320 13824-13860")]
    [InlineData("vmdk", "subformat=streamOptimized", "0-96 512-1024 13312-13320 13824-13860 65536-66000")]
    public async Task Damaged_images_are_refused_or_read(string format, string options, string places)
    {
        byte[] image = await MakeAsync(format, options);
        Mutate(format, image, places);
    }

    // Header with its extension, refcounts, and, at the end of the file, bits, table and directory of two bitmaps.
    [Theory]
    [InlineData("cluster_size=4k", "0-112 112-200 4096-4104")]
    [InlineData("cluster_size=64k,extended_l2=on", "0-112 496-560 65536-65544")]
    public async Task Damaged_images_with_bitmaps_are_refused_or_read(string options, string places)
    {
        byte[] image = await MakeAsync("qcow2", options);
        MemoryNode storage = MemoryNode.Of(image);
        long end;
        await using (ImageNode node = await ImageFormats.Find("qcow2")!.OpenAsync(storage, new ImageOpenOptions { ReadOnly = false }, default))
        {
            await ((IImageBitmaps)node).AddBitmapAsync("one", 512, true, default);
            await ((IImageBitmaps)node).AddBitmapAsync("two", 0, false, default);
            await BlockNodeContract.Write(node, 4096, ImageFolder.Pattern(70000 / 512 * 512, 1));
            await ((IImageBitmaps)node).StoreBitmapsAsync(default);
            end = ((Hutch.Block.Formats.Qcow2.Qcow2Node)node).Metadata.Header.Bitmaps!.Directory.Offset;
        }
        image = storage.ToArray();
        int cluster = options.Contains("64k", StringComparison.Ordinal) ? 65536 : 4096;
        Mutate("qcow2", image, $"{places} {end}-{end + 64} {end}-{end + 64} {end - cluster}-{end - cluster + 16} {end - (2 * cluster)}-{end - (2 * cluster) + 16}");
    }

    // What the fuzzer found: a check read there.
    [Theory]
    [InlineData(unchecked((long)0xffff_ff00_0001_0000))]
    [InlineData(0x7fff_ffff_ffff_0000)]
    public async Task A_snapshot_whose_table_lies_where_no_file_reaches_is_a_finding(long place)
    {
        byte[] image = await MakeAsync("qcow2", "");
        MemoryNode storage = MemoryNode.Of(image);
        await using (ImageNode node = await ImageFormats.Find("qcow2")!.OpenAsync(storage, new ImageOpenOptions { ReadOnly = false }, default))
            await ((IImageSnapshots)node).CreateSnapshotAsync(new ImageSnapshot("", "s", 0, 1, 0, 0, -1, node.LengthBytes), default);
        image = storage.ToArray();
        const int SnapshotsOffset = 64;
        BinaryPrimitives.WriteInt64BigEndian(image.AsSpan((int)BinaryPrimitives.ReadInt64BigEndian(image.AsSpan(SnapshotsOffset))), place);
        ImageFuzz.Qcow2(image);
    }

    [Fact]
    public void Damaged_volumes_are_refused_or_described()
    {
        byte[] volume = LuksCreation.Create(LuksCreateOptions.Parse(new Dictionary<string, string> { ["iter-time"] = "1" }, ""), "abc"u8, new MonotonicClock());
        Mutate("luks", volume, "0-208 208-592");
    }

    [Fact]
    public void Descriptors_of_any_text_are_refused()
    {
        byte[] text = "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"twoGbMaxExtentFlat\"\nRW 5 FLAT \"a\" 0\nRW 9 ZERO\nRW 7 SPARSE \"b\"\n"u8.ToArray();
        Mutate("vmdk", text, $"0-{text.Length}");
    }

    [QemuImgTheory]
    [InlineData("qcow", "0-64 48-80")]
    [InlineData("qed", "0-64 65536-65600")]
    [InlineData("parallels", "0-64 64-80")]
    public void Damaged_images_of_formats_that_are_only_read_are_refused_or_read(string format, string places)
    {
        using ImageFolder images = new();
        images.Write("data.raw", ImageFolder.Pattern(1 << 20, 1));
        QemuImg.Run("convert", "-f", "raw", "-O", format, images.Path("data.raw"), images.Path("disk"));
        Mutate(format, System.IO.File.ReadAllBytes(images.Path("disk")), places);
    }

    private static void Mutate(string format, byte[] image, string places)
    {
        List<(int Start, int End)> ranges = [];
        foreach (string place in places.Split(' ')) ranges.Add((int.Parse(place.Split('-')[0], null), int.Parse(place.Split('-')[1], null)));
        ImageMutator mutator = new(new Random(1234));
        MemoryNode whole = MemoryNode.Of(image);
        for (int i = 0; i < (format == "vhdx" ? Mutations / 2 : Mutations); i++) ImageFuzz.Run(format, mutator.Damage(format, whole, [.. ranges]));
    }

    private static async Task<byte[]> MakeAsync(string format, string options)
    {
        const int length = 2 << 20;
        List<(string, string)> all = [];
        foreach (string option in options.Split(',', StringSplitOptions.RemoveEmptyEntries)) all.Add((option.Split('=')[0], option.Split('=')[1]));
        MemoryNode image = await MemoryParent.MakeEmptyAsync(ImageFormats.Find(format)!, length, [.. all]);
        await using (ImageNode node = await ImageFormats.Find(format)!.OpenAsync(image, new ImageOpenOptions { ReadOnly = false }, default))
        {
            await BlockNodeContract.Write(node, 4096, ImageFolder.Pattern(70000 / 512 * 512, 1));
            await node.FlushAsync(default);
            image = image.Copy();
        }
        return image.ToArray();
    }
}
