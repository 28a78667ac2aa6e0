using Hutch.Block.Opening;
using Xunit;

namespace Hutch.Block.Tests.Opening;

public sealed class FileNamesTests
{
    [Theory]
    [InlineData("a.img", null)]
    [InlineData("./a:b", null)]
    [InlineData("/a:b", null)]
    [InlineData("nbd://host", "nbd")]
    [InlineData("nbd+unix:///x?socket=y", "nbd+unix")]
    [InlineData("foo:bar", "foo")]
    public void A_protocol_is_what_stands_before_a_colon_and_no_slash(string name, string? protocol) => Assert.Equal(protocol, FileNames.ProtocolOf(name));

    [Theory]
    [InlineData("/v/top.qcow2", "base.qcow2", "/v/base.qcow2")]
    [InlineData("top.qcow2", "base.qcow2", "base.qcow2")]
    [InlineData("d/top.qcow2", "../base.qcow2", "d/../base.qcow2")]
    [InlineData("/v/top.qcow2", "/b.qcow2", "/b.qcow2")]
    [InlineData("/v/top.qcow2", "nbd://h", "nbd://h")]
    [InlineData("file:d/top.qcow2", "b", "file:d/b")]
    [InlineData("json:{}", "b", null)]
    public void Relative_names_count_from_the_image_that_has_them(string owner, string name, string? meant) => Assert.Equal(meant, FileNames.Resolve(owner, name));

    [Theory]
    [InlineData("file:image:top", "./image:top")]
    [InlineData("file:/v/a:b", "/v/a:b")]
    [InlineData("file:a", "a")]
    [InlineData("nbd://h", null)]
    public void A_path_stays_a_path_when_it_is_read_again(string name, string? path) => Assert.Equal(path, FileNames.LocalPath(name));
}
