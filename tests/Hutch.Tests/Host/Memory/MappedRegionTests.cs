using System.Globalization;
using System.IO;
using System.Linq;
using Hutch.Host.Memory;
using Xunit;

namespace Hutch.Tests.Host.Memory;

/// <summary>Memory regions of this process, as /proc/self/maps shows them.</summary>
public sealed class MappedRegionTests
{
    [Theory]
    [InlineData(1, 4096, false)]
    [InlineData(8 << 20, 8 << 20, false)]
    [InlineData(8 << 20, 8 << 20, true)]
    public unsafe void A_region_is_one_mapping_between_two_that_nobody_may_touch(int asked, int given, bool hugePages)
    {
        using MappedRegion region = MappedRegion.Allocate((ulong)asked, "Test", hugePages);
        ulong start = (ulong)region.Start;
        Assert.Equal(0ul, start % (hugePages ? 2u << 20 : 4096u));
        Assert.Equal("rw-p", RightsAt(start, start + (ulong)given));
        Assert.Equal("---p", RightsAt(null, start));
        Assert.Equal("---p", RightsAt(start + (ulong)given, null));
    }

    // The rights of the mapping with these bounds: "start-end rights offset device inode".
    private static string RightsAt(ulong? start, ulong? end)
    {
        string line = File.ReadLines("/proc/self/maps").Single(text =>
            (start is null || Parse(text.Split('-')[0]) == start) && (end is null || Parse(text.Split('-', ' ')[1]) == end));
        return line.Split(' ')[1];
    }

    private static ulong Parse(string hexadecimal) => ulong.Parse(hexadecimal, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
