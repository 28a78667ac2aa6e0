using Hutch.Block.Options;
using Xunit;

namespace Hutch.Block.Tests.Options;

public sealed class SizeTextTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("1024", 1024)]
    [InlineData("1024b", 1024)]
    [InlineData("1k", 1024)]
    [InlineData("1K", 1024)]
    [InlineData("1.5M", 1572864)]
    [InlineData("1024.0", 1024)]
    [InlineData("0.5k", 512)]
    [InlineData("7E", 8070450532247928832)]
    [InlineData("0x200", 512)]
    [InlineData(" 12", 12)]
    public void Sizes_are_read(string text, long bytes)
    {
        Assert.Equal(SizeError.None, SizeText.Parse(text, out ulong read));
        Assert.Equal((ulong)bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("-1024")]
    [InlineData("-1k")]
    [InlineData("1kilobyte")]
    [InlineData("foobar")]
    [InlineData("1.5")]
    [InlineData("k")]
    [InlineData("0x")]
    [InlineData("1..5k")]
    public void What_is_no_size_is_refused(string text) => Assert.Equal(SizeError.Invalid, SizeText.Parse(text, out _));

    [Theory]
    [InlineData("16E")]
    [InlineData("99999999999999999999")]
    public void What_is_too_large_is_told_apart(string text) => Assert.Equal(SizeError.TooLarge, SizeText.Parse(text, out _));
}
