using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Opening;

public sealed class BlockGraphTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("hutch-graph").FullName;

    [Fact]
    public async Task A_missing_file_is_told_as_the_image_tool_prints_it()
    {
        string path = In("absent");
        ImageException e = await Assert.ThrowsAsync<ImageException>(async () => await Open(path));
        Assert.Equal($"Could not open '{path}': No such file or directory", e.Message);
    }

    [Fact]
    public async Task An_unknown_format_and_an_unknown_protocol_are_named()
    {
        string path = Make("a.img", 512);
        Assert.Equal("Unknown driver 'nosuch'", (await Assert.ThrowsAsync<ImageException>(async () => await Open(path, "nosuch"))).Message);
        Assert.Equal("Unknown protocol 'foo'", (await Assert.ThrowsAsync<ImageException>(async () => await Open("foo:bar"))).Message);
    }

    [Fact]
    public async Task A_description_opens_a_part_of_a_file()
    {
        string path = Make("a.img", 4096);
        await File.WriteAllBytesAsync(path, [.. new byte[512], .. "hello"u8, .. new byte[3579]]);
        await using ImageNode image = await Open($"json:{{'driver':'raw','offset':512,'size':1024,'file':{{'driver':'file','filename':'{path}'}}}}");
        Assert.Equal(1024, image.LengthBytes);
        Assert.Equal("hello"u8.ToArray(), (await BlockNodeContract.Read(image, 0, 5)));
    }

    [Fact]
    public async Task A_guessed_raw_image_is_warned_about_and_cannot_become_another_format()
    {
        string path = Make("a.img", 65536);
        List<string> warnings = [];
        await using ImageNode image = await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = path, Warn = warnings.Add }, CancellationToken.None);
        Assert.Contains("probing guessed raw", Assert.Single(warnings), StringComparison.Ordinal);
        byte[] header = new byte[512];
        new byte[] { (byte)'L', (byte)'U', (byte)'K', (byte)'S', 0xba, 0xbe, 0, 1 }.CopyTo(header, 0);
        BlockIoException e = await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(image, 0, header));
        Assert.Equal(1, e.Errno);
        await BlockNodeContract.Write(image, 0, new byte[4096]);
        await BlockNodeContract.Write(image, 512, header);
    }

    [Fact]
    public async Task A_failed_creation_leaves_no_file()
    {
        string path = In("new.img");
        BlockCreateRequest request = new()
        {
            Filename = path, Format = ImageFormats.Find("raw")!, LengthBytes = 4096, Options = new Dictionary<string, string> { ["preallocation"] = "nosuch" },
        };
        await Assert.ThrowsAsync<ImageException>(async () => await BlockGraph.CreateAsync(request, CancellationToken.None));
        Assert.False(File.Exists(path));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static async Task<ImageNode> Open(string name, string? format = null) =>
        await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = name, Format = format, ReadOnly = true }, CancellationToken.None);

    private string In(string name) => Path.Combine(_directory, name);

    private string Make(string name, int length)
    {
        File.WriteAllBytes(In(name), new byte[length]);
        return In(name);
    }
}
