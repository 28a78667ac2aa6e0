using System;
using System.IO;
using System.Text;
using Hutch.Cli.Guests;
using Xunit;

namespace Hutch.Tests.Cli.Guests;

public sealed class CpioWriterTests
{
    [Fact]
    public void Every_header_begins_at_a_multiple_of_four_and_counts_its_content()
    {
        MemoryStream archive = new();
        CpioWriter writer = new(archive);
        writer.Directory("a");
        writer.File("a/odd", "12345"u8);
        writer.Link("a/link", "odd");
        writer.Character("a/null", 1, 3);
        writer.Finish();
        byte[] bytes = archive.ToArray();

        int position = 0;
        StringBuilder listing = new();
        while (true)
        {
            Assert.Equal(0, position % 4);
            Assert.Equal("070701", Encoding.ASCII.GetString(bytes, position, 6));
            int mode = Field(bytes, position, 1), size = Field(bytes, position, 6), nameLength = Field(bytes, position, 11);
            string name = Encoding.ASCII.GetString(bytes, position + 110, nameLength - 1);
            int content = (position + 110 + nameLength + 3) & ~3;
            if (name == "TRAILER!!!") break;
            listing.Append($"{name} {Convert.ToString(mode, 8)} {Encoding.ASCII.GetString(bytes, content, size)};");
            position = (content + size + 3) & ~3;
        }
        Assert.Equal("a 40755 ;a/odd 100644 12345;a/link 120777 odd;a/null 20600 ;", listing.ToString());
    }

    private static int Field(byte[] bytes, int header, int index) =>
        Convert.ToInt32(Encoding.ASCII.GetString(bytes, header + 6 + index * 8, 8), 16);
}
