using System;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Model.Machine;
using Xunit;

namespace Hutch.Block.Tests;

public sealed class DiskOpenerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("hutch-disk").FullName;

    [Fact]
    public void A_missing_file_is_named() => AssertRefused(Path.Combine(_directory, "absent.img"), "does not exist");

    [Fact]
    public void A_path_through_a_file_is_named() => AssertRefused(Path.Combine(Make("a.img", 512), "b.img"), "does not exist");

    [Fact]
    public void A_directory_is_no_disk()
    {
        AssertRefused(_directory, "directory");
        DiskOpenException e = Assert.Throws<DiskOpenException>(() => DiskOpener.Open(new DiskConfig(_directory, ReadOnly: true)));
        Assert.Contains("directory", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_character_device_is_no_disk() => AssertRefused("/dev/null", "neither a file nor a block device");

    [Fact]
    public void A_format_that_is_not_known_is_named_with_those_that_are()
    {
        string path = Make("disk.img", 512);
        DiskOpenException e = Assert.Throws<DiskOpenException>(() => DiskOpener.Open(new DiskConfig(path, "sparkle")));
        Assert.Contains("\"sparkle\"", e.Message, StringComparison.Ordinal);
        Assert.Contains("raw", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_qcow2_image_is_refused_unless_raw_is_asked_for()
    {
        string path = Make("disk.qcow2", 512);
        byte[] content = new byte[512];
        new byte[] { 0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3 }.CopyTo(content, 0);
        File.WriteAllBytes(path, content);
        AssertRefused(path, "cannot be opened");
        await using BlockNode node = DiskOpener.Open(new DiskConfig(path, "raw"));
        Assert.Equal(512, node.LengthBytes);
    }

    [Fact]
    public async Task A_writer_is_alone()
    {
        string path = Make("disk.img", 4096);
        await using (BlockNode writer = DiskOpener.Open(new DiskConfig(path)))
        {
            AssertRefused(path, "in use");
            DiskOpenException e = Assert.Throws<DiskOpenException>(() => DiskOpener.Open(new DiskConfig(path, ReadOnly: true)));
            Assert.Contains(path, e.Message, StringComparison.Ordinal);
        }
        await using BlockNode again = DiskOpener.Open(new DiskConfig(path));
    }

    [Fact]
    public async Task Readers_share()
    {
        string path = Make("disk.img", 4096);
        await using BlockNode first = DiskOpener.Open(new DiskConfig(path, ReadOnly: true));
        await using BlockNode second = DiskOpener.Open(new DiskConfig(path, ReadOnly: true));
        AssertRefused(path, "in use");
    }

    [Fact]
    public async Task Refused_opens_leave_no_lock_behind()
    {
        string path = Make("disk.img", 4096);
        await using (BlockNode reader = DiskOpener.Open(new DiskConfig(path, ReadOnly: true))) AssertRefused(path, "in use");
        await using BlockNode writer = DiskOpener.Open(new DiskConfig(path));
    }

    [QemuImgFact]
    public async Task The_other_tools_of_the_trade_respect_the_lock()
    {
        string path = Make("disk.img", 1 << 20);
        Assert.Equal(0, Resize(path, "1100000"));
        await using (BlockNode writer = DiskOpener.Open(new DiskConfig(path))) Assert.Equal(1, Resize(path, "1200000"));
        await using (BlockNode reader = DiskOpener.Open(new DiskConfig(path, ReadOnly: true))) Assert.Equal(1, Resize(path, "1200000"));
        Assert.Equal(0, Resize(path, "1200000"));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private static int Resize(string path, string length) => QemuImg.Try("resize", "-q", "-f", "raw", path, length).Status;

    private string Make(string name, int length)
    {
        string path = Path.Combine(_directory, name);
        File.WriteAllBytes(path, new byte[length]);
        return path;
    }

    private static void AssertRefused(string path, string why)
    {
        DiskOpenException e = Assert.Throws<DiskOpenException>(() => DiskOpener.Open(new DiskConfig(path)));
        Assert.Contains(path, e.Message, StringComparison.Ordinal);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", e.Message, StringComparison.Ordinal);
    }
}
