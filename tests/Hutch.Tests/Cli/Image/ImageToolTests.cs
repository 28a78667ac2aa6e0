using System;
using System.IO;
using Hutch.Cli.Image;
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

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static int Run(params string[] arguments) => ImageTool.Run("hutch img", arguments);
}
