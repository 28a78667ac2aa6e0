using System.Collections.Generic;
using Hutch.Cli.Image;
using Hutch.Cli.Image.Io;
using Xunit;

namespace Hutch.Tests.Cli.Image;

public sealed class TextTests
{
    [Theory]
    [InlineData(0, "0 B")]
    [InlineData(4096, "4 KiB")]
    [InlineData(67108864, "64 MiB")]
    [InlineData(1474560, "1.41 MiB")]
    [InlineData(397312, "388 KiB")]
    [InlineData(1536, "1.5 KiB")]
    [InlineData(999, "999 B")]
    [InlineData(1000, "0.977 KiB")]
    [InlineData(1047527424, "999 MiB")]
    [InlineData(1048576000, "0.977 GiB")]
    public void Sizes_have_three_digits(long bytes, string text) => Assert.Equal(text, HumanSize.Short(bytes));

    [Theory]
    [InlineData(1, "1 bytes")]
    [InlineData(512, "512 bytes")]
    [InlineData(2560, "2.500 KiB")]
    [InlineData(65536, "64 KiB")]
    [InlineData(1073676288, "1023.938 MiB")]
    public void Amounts_have_three_decimals_or_none(double bytes, string text) => Assert.Equal(text, HumanSize.Exact(bytes));

    [Fact]
    public void Members_come_in_the_order_that_scripts_know()
    {
        List<KeyValuePair<string, object>> specifics =
        [
            new("compat", "1.1"), new("lazy-refcounts", false), new("refcount-bits", 16L), new("corrupt", false), new("extended-l2", false), new("compression-type", "zlib"),
        ];
        List<KeyValuePair<string, object>> info =
        [
            new("filename", "ov.qcow2"), new("format", "qcow2"), new("virtual-size", 67108864L), new("actual-size", 1314816L), new("cluster-size", 65536L), new("dirty-flag", false),
            new("backing-filename", "base.qcow2"), new("full-backing-filename", "base.qcow2"), new("backing-filename-format", "qcow2"),
            new("format-specific", new List<KeyValuePair<string, object>> { new("type", "qcow2"), new("data", specifics) }),
        ];
        Assert.Equal("""
            {
                "backing-filename-format": "qcow2",
                "virtual-size": 67108864,
                "filename": "ov.qcow2",
                "cluster-size": 65536,
                "format": "qcow2",
                "actual-size": 1314816,
                "format-specific": {
                    "type": "qcow2",
                    "data": {
                        "compat": "1.1",
                        "compression-type": "zlib",
                        "lazy-refcounts": false,
                        "refcount-bits": 16,
                        "corrupt": false,
                        "extended-l2": false
                    }
                },
                "full-backing-filename": "base.qcow2",
                "backing-filename": "base.qcow2",
                "dirty-flag": false
            }
            """, JsonText.Of(info));
    }

    [Fact]
    public void Empty_lists_and_strange_letters_are_written_as_scripts_know_them() =>
        Assert.Equal("{\n    \"flags\": [\n    ],\n    \"name\": \"\\u00E4\\n\\\"\"\n}".Length,
            JsonText.Of(new List<KeyValuePair<string, object>> { new("flags", new List<object>()), new("name", "\u00e4\n\"") }).Length);

    [Fact]
    public void A_report_tells_what_was_done_how_much_and_how_fast()
    {
        Assert.Equal("wrote 65536/65536 bytes at offset 0\n64 KiB, 1 ops; 00.50 sec (128 KiB/sec and 2.0000 ops/sec)\n", IoReport.Of("wrote", 0, 65536, 65536, 1, 500_000_000, false));
        Assert.Equal("65536,1,0:00:00.50,131072.000,2.000\n", IoReport.Of("wrote", 0, 65536, 65536, 1, 500_000_000, true));
    }
}
