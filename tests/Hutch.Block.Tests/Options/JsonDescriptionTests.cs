using System.Collections.Generic;
using Hutch.Block.Formats;
using Hutch.Block.Options;
using Xunit;

namespace Hutch.Block.Tests.Options;

public sealed class JsonDescriptionTests
{
    [Fact]
    public void Members_become_dotted_options() => Assert.Equal(
        new Dictionary<string, string> { ["driver"] = "qcow2", ["file.driver"] = "file", ["file.filename"] = "a\"b", ["size"] = "4096", ["read-only"] = "on", ["backing"] = "" },
        JsonDescription.Parse("""{"driver":"qcow2", "file": {'driver':'file', "filename":"a\"b"}, "size": 4096, "read-only": true, "backing": null }""").Rest);

    [Fact]
    public void Items_are_numbered() => Assert.Equal(
        new Dictionary<string, string> { ["inject-error.0.event"] = "none", ["inject-error.1.event"] = "read_aio" },
        JsonDescription.Parse("{'inject-error': [{'event': 'none'}, {'event': 'read_aio'}]}").Rest);

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}x")]
    [InlineData("{'a'}")]
    [InlineData("{'a': }")]
    [InlineData("{'a': 'b}")]
    [InlineData("{'a': \"\\q\"}")]
    [InlineData("['a']")]
    public void What_is_no_description_is_refused(string text) => Assert.Throws<ImageException>(() => JsonDescription.Parse(text));

    [Fact]
    public void Nesting_has_an_end() => Assert.Throws<ImageException>(() => JsonDescription.Parse("{'a':" + new string('[', 100_000)));
}
