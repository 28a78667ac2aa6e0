using System.Collections.Generic;
using Hutch.Cli.Image;
using Xunit;

namespace Hutch.Tests.Cli.Image;

public sealed class GetOptTests
{
    private static readonly Tool Tool = new("qemu-img");

    [Fact]
    public void Short_options_stand_together_and_take_what_follows()
    {
        Assert.Equal([("q", ""), ("f", "raw")], Options(["-qf", "raw"], out List<string> operands));
        Assert.Empty(operands);
        Assert.Equal([("f", "raw"), ("q", "")], Options(["-fraw", "-q"], out _));
    }

    [Fact]
    public void Operands_stand_anywhere_and_two_dashes_end_the_options()
    {
        Assert.Equal([("q", "")], Options(["a.img", "-q", "--", "-1024"], out List<string> operands));
        Assert.Equal(["a.img", "-1024"], operands);
    }

    [Fact]
    public void Long_options_can_be_cut_short_and_have_short_names()
    {
        Assert.Equal([("output", "json"), ("f", "raw"), ("output", "human")], Options(["--out=json", "--format", "raw", "--output", "human"], out _));
    }

    [Theory]
    [InlineData("--foo", "unrecognized option '--foo'")]
    [InlineData("-x", "unrecognized option '-x'")]
    [InlineData("-f", "missing argument for option '-f'")]
    [InlineData("--output", "missing argument for option '--output'")]
    public void Mistakes_are_named(string argument, string message)
    {
        UsageException e = Assert.Throws<UsageException>(() => Options([argument], out _));
        Assert.Equal($"{message}\nTry 'qemu-img --help' for more information", e.Message);
    }

    private static List<(string Option, string Value)> Options(string[] arguments, out List<string> operands)
    {
        GetOpt options = new(Tool, arguments, "qf:", "format=:f", "output=");
        List<(string, string)> found = [];
        while (options.Next() is string option) found.Add((option, options.Value));
        operands = options.Operands;
        return found;
    }
}
