using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Options;
using Xunit;

namespace Hutch.Block.Tests.Options;

public sealed class OptionListTests
{
    [Fact]
    public void Values_may_have_doubled_commas() => Assert.Equal(
        [new("backing_file", "a,b"), new("size", "1M")],
        OptionList.Parse("backing_file=a,,b,size=1M"));

    [Fact]
    public void The_first_value_can_go_without_its_name() => Assert.Equal(
        [new("qom-type", "secret"), new("id", "s0"), new("data", "a=b")],
        OptionList.Parse("secret,id=s0,data=a=b", "qom-type"));

    [Fact]
    public void Names_alone_are_switches() => Assert.Equal(
        [new("force_size", "on"), new("lazy_refcounts", "off")],
        OptionList.Parse("force_size,nolazy_refcounts"));

    [Fact]
    public void An_option_without_a_name_is_refused() => Assert.Throws<ImageException>(() => OptionList.Parse("=5"));

    [Theory]
    [InlineData("a=b", true)]
    [InlineData("a=b,,", true)]
    [InlineData("a=b,", false)]
    [InlineData("a=b,,,", false)]
    [InlineData(",a=b", false)]
    [InlineData("", false)]
    public void Lists_that_can_be_joined_do_not_end_in_an_open_comma(string text, bool isJoinable) => Assert.Equal(isJoinable, OptionList.IsJoinable(text));

    [Theory]
    [InlineData("help", true)]
    [InlineData("size=1,?", true)]
    [InlineData("helper=1", false)]
    public void Help_is_asked_for_by_a_word(string text, bool asks) => Assert.Equal(asks, OptionList.AsksForHelp(text));

    [Fact]
    public void Options_of_a_child_are_taken_out_by_its_name()
    {
        OptionSet options = new([new("driver", "raw"), new("file.driver", "file"), new("file.filename", "a.img")]);
        OptionSet file = options.TakeChild("file");
        Assert.Equal("a.img", file.Take("filename"));
        Assert.Equal("file", file.Take("driver"));
        Assert.True(file.IsEmpty);
        Assert.Equal(new Dictionary<string, string> { ["driver"] = "raw" }, options.Rest);
    }
}
