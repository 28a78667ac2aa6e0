using System;
using System.Collections.Generic;
using System.IO;
using System.Text.Json;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Hutch.Block.Nbd;
using Hutch.Block.Tests.Nbd;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Bitmaps go to QEMU's programs and come back.</summary>
public sealed class Qcow2BitmapQemuTests : IDisposable
{
    private const int LengthBytes = 8 << 20, Unit = 65536;

    private readonly ImageFolder _images = new();

    public void Dispose() => _images.Dispose();

    [QemuTheory("qemu-img", "qemu-io", "qemu-nbd")]
    [InlineData("cluster_size=64k")]
    [InlineData("cluster_size=512")]
    [InlineData("cluster_size=2M,extended_l2=on")]
    public async Task Both_record_into_the_same_bitmaps(string options)
    {
        string image = _images.Path("image");
        QemuImg.Run("create", "-q", "-f", "qcow2", "-o", options, image, "8M");
        QemuImg.Run("bitmap", "--add", "-g", "64k", image, "theirs");
        bool[] theirs = new bool[LengthBytes / Unit], ours = new bool[LengthBytes / Unit];
        await using (ImageNode node = await OpenAsync(image))
        {
            await BlockNodeContract.Write(node, 1 << 20, Qcow2PitfallTests.Bytes(Unit + 512, 5));
            await ((IImageBitmaps)node).AddBitmapAsync("ours", Unit, true, default);
            await node.WriteZeroesAsync(3 << 20, 2 << 20, WriteFlags.MayUnmap, default);
        }
        theirs.AsSpan((1 << 20) / Unit, 2).Fill(true);
        theirs.AsSpan((3 << 20) / Unit, (2 << 20) / Unit).Fill(true);
        ours.AsSpan((3 << 20) / Unit, (2 << 20) / Unit).Fill(true);
        Assert.Contains("No errors were found", QemuImg.Run("check", image), StringComparison.Ordinal);
        Assert.Equal(theirs, ReadByQemu(image, "theirs"));
        Assert.Equal(ours, ReadByQemu(image, "ours"));
        (int status, string text) = Qemu.Run("qemu-io", "-f", "qcow2", "-c", "write 7M 1k", "-c", "discard 0 64k", image);
        Assert.True(status == 0, text);
        foreach (bool[] model in (bool[][])[theirs, ours]) model[0] = model[(7 << 20) / Unit] = true;
        await using (ImageNode node = await OpenAsync(image))
        {
            await Qcow2BitmapTests.CheckAsync((IImageBitmaps)node, "theirs", theirs);
            await Qcow2BitmapTests.CheckAsync((IImageBitmaps)node, "ours", ours);
            await ((IImageBitmaps)node).EnableBitmapAsync("theirs", false, default);
            await ((IImageBitmaps)node).ClearBitmapAsync("ours", default);
            await BlockNodeContract.Write(node, LengthBytes - 512, new byte[512]);
        }
        Array.Clear(ours);
        ours[^1] = true;
        Assert.Equal(theirs, ReadByQemu(image, "theirs"));
        Assert.Equal(ours, ReadByQemu(image, "ours"));
        Assert.Contains("No errors were found", QemuImg.Run("check", image), StringComparison.Ordinal);
        QemuImg.Run("bitmap", "--remove", image, "ours");
        QemuImg.Run("bitmap", "--merge", "theirs", "--enable", image, "theirs");
        Assert.Contains("No errors were found", QemuImg.Run("check", image), StringComparison.Ordinal);
        await using (ImageNode node = await OpenAsync(image)) Assert.Equal([new ImageBitmap("theirs", Unit, true, false)], ((IImageBitmaps)node).Bitmaps);
    }

    [QemuFact("qemu-img", "qemu-io")]
    public async Task Listings_and_sizes_are_its()
    {
        string image = _images.Path("image");
        await File.WriteAllBytesAsync(image, (await Qcow2Images.CreateAsync(LengthBytes)).Content);
        await using (ImageNode node = await OpenAsync(image))
        {
            await ((IImageBitmaps)node).AddBitmapAsync("one", 0, true, default);
            await ((IImageBitmaps)node).AddBitmapAsync("two \u00fc", 512, false, default);
        }
        Assert.Equal([("one", 65536L, "auto"), ("two \u00fc", 512L, "")], List(image));
        // An image whose writer was killed.
        _ = Qemu.Run("qemu-io", "-f", "qcow2", "-c", "write 0 1k", "-c", "abort", image);
        Assert.Equal([("one", 65536L, "in-use auto"), ("two \u00fc", 512L, "in-use")], List(image));
        await using (ImageNode node = await OpenAsync(image))
        {
            Assert.All(((IImageBitmaps)node).Bitmaps, static bitmap => Assert.True(bitmap.IsInconsistent));
            ImageMeasure ours = await Qcow2Format.Instance.MeasureAsync(node, new ImageCreateRequest { LengthBytes = 0, Options = Qcow2Images.Parse("") }, default);
            JsonElement theirs = JsonDocument.Parse(QemuImg.Run("measure", "-U", "-O", "qcow2", "--output=json", image)).RootElement;
            Assert.Equal(theirs.GetProperty("bitmaps").GetInt64(), ours.BitmapBytes);
            await ((IImageBitmaps)node).RemoveBitmapAsync("one", default);
        }
        Assert.Equal([("two \u00fc", 512L, "in-use")], List(image));
        await using (ImageNode node = await OpenAsync(image)) await ((IImageBitmaps)node).RemoveBitmapAsync("two \u00fc", default);
        Assert.Contains("No errors were found", QemuImg.Run("check", image), StringComparison.Ordinal);
        Assert.Empty(List(image));
    }

    [QemuFact("qemu-img")]
    public async Task A_server_of_ours_shows_bits_to_its_client()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes);
        bool[] model = new bool[LengthBytes / Unit];
        model.AsSpan(5, 7).Fill(true);
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file);
        await node.AddBitmapAsync("b", Unit, true, default);
        await BlockNodeContract.Write(node, 5 * Unit, new byte[7 * Unit]);
        await node.EnableBitmapAsync("b", false, default);
        await using NbdPair pair = new(new NbdServerOptions(), new NbdExport { Name = "", Node = node, ReadOnly = true, Bitmaps = ["b"] });
        Assert.Equal(model, ReadMap(pair.Socket, "b"));
    }

    [QemuFact("qemu-img", "qemu-nbd")]
    public async Task A_disk_that_it_made_longer_or_shorter_keeps_its_bitmaps()
    {
        string image = _images.Path("image");
        QemuImg.Run("create", "-q", "-f", "qcow2", image, "8M");
        QemuImg.Run("bitmap", "--add", image, "b");
        await using (ImageNode node = await OpenAsync(image)) await BlockNodeContract.Write(node, Unit, new byte[Unit]);
        QemuImg.Run("resize", "-q", image, "16G");
        QemuImg.Run("resize", "-q", "--shrink", image, "4M");
        await using (ImageNode node = await OpenAsync(image))
        {
            await node.ResizeAsync(LengthBytes, Preallocation.Off, default);
            await ((IImageBitmaps)node).EnableBitmapAsync("b", false, default);
        }
        bool[] model = new bool[LengthBytes / Unit];
        model[1] = true;
        model.AsSpan(model.Length / 2).Fill(true);
        Assert.Equal(model, ReadByQemu(image, "b"));
        Assert.Contains("No errors were found", QemuImg.Run("check", image), StringComparison.Ordinal);
    }

    private static async Task<ImageNode> OpenAsync(string image) => await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = image, Format = "qcow2", ReadOnly = false }, default);

    private static List<(string Name, long Granularity, string Flags)> List(string image)
    {
        JsonElement data = JsonDocument.Parse(QemuImg.Run("info", "--output=json", image)).RootElement.GetProperty("format-specific").GetProperty("data");
        List<(string, long, string)> list = [];
        if (!data.TryGetProperty("bitmaps", out JsonElement bitmaps)) return list;
        foreach (JsonElement bitmap in bitmaps.EnumerateArray())
        {
            List<string> flags = [];
            foreach (JsonElement flag in bitmap.GetProperty("flags").EnumerateArray()) flags.Add(flag.GetString()!);
            list.Add((bitmap.GetProperty("name").GetString()!, bitmap.GetProperty("granularity").GetInt64(), string.Join(' ', flags)));
        }
        return list;
    }

    private bool[] ReadByQemu(string image, string bitmap)
    {
        using QemuNbd server = new(_images.Path(""), "-r", "-f", "qcow2", "-B", bitmap, image);
        return ReadMap(server.Socket, bitmap);
    }

    // As in QEMU, what is dirty shows as a hole.
    private static bool[] ReadMap(string socket, string bitmap)
    {
        string map = QemuImg.Run("map", "--output=json", "--image-opts", $"driver=nbd,server.type=unix,server.path={socket},x-dirty-bitmap=qemu:dirty-bitmap:{bitmap}");
        bool[] bits = new bool[LengthBytes / Unit];
        foreach (JsonElement run in JsonDocument.Parse(map).RootElement.EnumerateArray())
            if (!run.GetProperty("data").GetBoolean()) bits.AsSpan((int)(run.GetProperty("start").GetInt64() / Unit), (int)(run.GetProperty("length").GetInt64() / Unit)).Fill(true);
        return bits;
    }
}
