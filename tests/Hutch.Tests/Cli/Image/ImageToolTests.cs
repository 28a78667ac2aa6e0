using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block;
using Hutch.Block.Formats;
using Hutch.Cli.Image;
using Hutch.Cli.Image.Io;
using Xunit;

namespace Hutch.Tests.Cli.Image;

public sealed class ImageToolTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("hutch-img").FullName;

    [Fact]
    public void Commands_end_with_the_status_that_scripts_know()
    {
        string raw = Path.Combine(_directory, "a.raw"), other = Path.Combine(_directory, "b.raw");
        Assert.Equal(0, Run("create", "-q", "-f", "raw", raw, "1M"));
        Assert.Equal(1 << 20, new FileInfo(raw).Length);
        Assert.Equal(63, Run("check", "-q", raw));
        Assert.Equal(2, Run("compare", "-q", raw, other));
        Assert.Equal(0, Run("convert", "-f", "raw", "-O", "raw", raw, other));
        Assert.Equal(0, Run("compare", "-q", "-f", "raw", "-F", "raw", raw, other));
        File.WriteAllBytes(other, [1]);
        Assert.Equal(1, Run("compare", "-q", "-f", "raw", "-F", "raw", raw, other));
        Assert.Equal(1, Run("resize", "-q", "-f", "raw", raw, "512k"));
        Assert.Equal(0, Run("resize", "-q", "-f", "raw", "--shrink", raw, "512k"));
        Assert.Equal(512 << 10, new FileInfo(raw).Length);
        Assert.Equal(1, Run("info", Path.Combine(_directory, "absent")));
        Assert.Equal(1, Run("nosuch"));
    }

    [Fact]
    public void A_failed_conversion_leaves_what_was_there()
    {
        string source = Path.Combine(_directory, "absent.raw"), target = Path.Combine(_directory, "t.raw");
        File.WriteAllText(target, "precious");
        Assert.Equal(1, Run("convert", "-f", "raw", "-O", "raw", source, target));
        Assert.Equal("precious", File.ReadAllText(target));
        Assert.Single(Directory.GetFiles(_directory));
    }

    [Theory]
    [InlineData("metadata")]
    [InlineData("full")]
    public void A_sparse_disk_becomes_an_encrypted_one_that_was_preallocated(string preallocation)
    {
        string raw = Path.Combine(_directory, "a.raw"), encrypted = Path.Combine(_directory, "a.qcow2");
        const string Secret = "secret,id=s,data=opensesame";
        using (FileStream file = File.Create(raw))
        {
            file.SetLength(4 << 20);
            file.Position = 1 << 20;
            file.Write(new byte[] { 1, 2, 3 });
        }
        Assert.Equal(0, Run("convert", "--object", Secret, "-f", "raw", "-O", "qcow2", "-o", $"encrypt.format=aes,encrypt.key-secret=s,preallocation={preallocation}", raw, encrypted));
        Assert.Equal(0, Run("compare", "-q", "--object", Secret, "--image-opts", $"driver=qcow2,encrypt.key-secret=s,file.filename={encrypted}", $"driver=raw,file.filename={raw}"));
    }

    [Fact]
    public async Task Bitmaps_are_made_changed_and_copied()
    {
        string image = Path.Combine(_directory, "a.qcow2"), copy = Path.Combine(_directory, "b.qcow2"), raw = Path.Combine(_directory, "a.raw");
        Assert.Equal(0, Run("create", "-q", "-f", "qcow2", image, "4M"));
        Assert.Equal(0, Run("bitmap", "--add", "-g", "4k", image, "a"));
        Assert.Equal(1, Run("bitmap", "--add", image, "a"));
        Assert.Equal(0, Run("bitmap", "--add", "--disable", image, "b"));
        Assert.Equal(0, IoTool.Run("hutch img io", ["-c", "write 1M 4k", image]));
        Assert.Equal(0, Run("bitmap", "--merge", "a", "--enable", image, "b"));
        Assert.Equal(0, Run("bitmap", "--clear", "--disable", image, "a"));
        Assert.Equal(0, Run("convert", "--bitmaps", "-O", "qcow2", image, copy));
        Assert.Equal(1, Run("convert", "--bitmaps", "-O", "raw", image, raw));
        Assert.False(File.Exists(raw));
        Assert.Equal(0, Run("bitmap", "--remove", image, "a"));
        Assert.Equal(1, Run("bitmap", "--merge", "a", image, "b"));
        Assert.Equal(0, Run("bitmap", "--merge", "b", "-b", image, "-F", "qcow2", copy, "a"));
        Assert.Equal([("a", 4096L, false), ("b", 65536L, true)], await ListBitmaps(copy));
        Assert.Equal([("b", 65536L, true)], await ListBitmaps(image));
        Assert.Equal(0, Run("check", "-q", copy));
        Assert.Equal(0, Run("check", "-q", image));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static int Run(params string[] arguments) => ImageTool.Run("hutch img", arguments);

    private static async Task<List<(string, long, bool)>> ListBitmaps(string image)
    {
        List<(string, long, bool)> list = [];
        await using ImageNode node = await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = image, Format = "qcow2", ReadOnly = true }, default);
        foreach (ImageBitmap bitmap in ((IImageBitmaps)node).Bitmaps) list.Add((bitmap.Name, bitmap.GranularityBytes, bitmap.IsEnabled));
        return list;
    }
}
