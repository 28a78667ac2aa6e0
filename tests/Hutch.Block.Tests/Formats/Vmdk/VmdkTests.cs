using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Vmdk;
using Hutch.Block.Graph;
using Hutch.Block.Tests.Formats.Mapped;
using Xunit;

namespace Hutch.Block.Tests.Formats.Vmdk;

public sealed class VmdkInfoTests : IDisposable
{
    private readonly ImageFolder _images = new();

    [QemuImgTheory]
    [InlineData("monolithicSparse", "adapter_type=lsilogic,compat6=on")]
    [InlineData("monolithicFlat", "adapter_type=legacyESX,toolsversion=7,hwversion=9")]
    [InlineData("twoGbMaxExtentSparse", "zeroed_grain=on")]
    [InlineData("twoGbMaxExtentFlat", "adapter_type=buslogic")]
    [InlineData("streamOptimized", "")]
    public async Task Images_are_made_and_described_as_qemu_img_does(string subformat, string options)
    {
        const long length = (5L << 30) + 512;
        string all = $"subformat={subformat}{(options.Length == 0 ? "" : ",")}{options}";
        Directory.CreateDirectory(_images.Path("theirs"));
        Directory.CreateDirectory(_images.Path("ours"));
        QemuImg.Run("create", "-q", "-f", "vmdk", "-o", all, _images.Path("theirs/disk.vmdk"), $"{length}");
        await _images.CreateAsync(VmdkFormat.Instance, "ours/disk.vmdk", length, [.. all.Split(',').Select(static o => (o.Split('=')[0], o.Split('=')[1]))]);
        Assert.Equal(Files("theirs"), Files("ours"));
        Assert.Equal(Text("theirs"), Text("ours"));
        using JsonDocument theirs = JsonDocument.Parse(QemuImg.Run("info", "--output=json", _images.Path("ours/disk.vmdk")));
        await using ImageNode node = await _images.OpenAsync(VmdkFormat.Instance, "ours/disk.vmdk", readOnly: true, references: new VmdkFiles());
        Assert.Equal(length, node.LengthBytes);
        Assert.Equal(Json.Flatten(theirs.RootElement.GetProperty("format-specific").GetProperty("data")), Json.Flatten(node.DescribeSpecifics()!));
        Assert.Equal(theirs.RootElement.TryGetProperty("cluster-size", out JsonElement cluster) ? cluster.GetInt32() : 0, node.ClusterBytes);
    }

    [Theory]
    [InlineData("subformat=foo", "invalid parameter value: foo")]
    [InlineData("adapter_type=foo", "invalid parameter value: foo")]
    [InlineData("compat6=on,hwversion=3", "compat6 cannot be enabled with hwversion set")]
    [InlineData("subformat=monolithicFlat,zeroed_grain=on", "Flat image can't enable zeroed grain")]
    [InlineData("subformat=monolithicFlat,backing_file=x", "Flat image can't have backing file")]
    [InlineData("backing_file=x,backing_fmt=raw", "Invalid backing file format: raw. Must be vmdk")]
    public async Task A_bad_option_is_named(string options, string message)
    {
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () =>
            await _images.CreateAsync(VmdkFormat.Instance, "disk", 1 << 20, [.. options.Split(',').Select(static o => (o.Split('=')[0], o.Split('=')[1]))]));
        Assert.Equal(message, refused.Message);
    }

    public void Dispose() => _images.Dispose();

    // The length of each file with data; a descriptor's depends on the disk's random id, whose digits have no leading zeroes.
    private string[] Files(string folder) => [.. Directory.EnumerateFiles(_images.Path(folder)).Select(static path => $"{Path.GetFileName(path)} {LengthOfData(path)}").Order()];

    private static long LengthOfData(string path)
    {
        long length = new FileInfo(path).Length;
        return Path.GetFileName(path).Contains('-', StringComparison.Ordinal) || length > 4096 ? length : 0;
    }

    // The descriptor without the disk's random id, wherever it stands.
    private string Text(string folder)
    {
        byte[] bytes = File.ReadAllBytes(_images.Path($"{folder}/disk.vmdk"))[..Math.Min(4096, (int)new FileInfo(_images.Path($"{folder}/disk.vmdk")).Length)];
        string text = Encoding.UTF8.GetString(bytes);
        text = text[text.IndexOf("# Disk", StringComparison.Ordinal)..].TrimEnd('\0');
        return string.Join('\n', text.Split('\n').Where(static line => !line.StartsWith("CID=", StringComparison.Ordinal)));
    }
}

public sealed class VmdkParentTests : IDisposable
{
    private const int Length = 5 << 20;

    private readonly ImageFolder _images = new();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task What_was_flushed_survives_a_power_loss_at_any_moment(int seed)
    {
        byte[] content = CrashCheck.Fill(Length / 512, 7);
        MemoryParent parent = new(VmdkFormat.Instance, await MemoryParent.MakeAsync(VmdkFormat.Instance, content));
        Hutch.Block.Simulation.MemoryNode image = new(0);
        await VmdkFormat.Instance.CreateAsync(image, new ImageCreateRequest
        {
            LengthBytes = Length,
            Options = new Dictionary<string, string> { ["backing_file"] = "parent.vmdk", ["zeroed_grain"] = seed == 1 ? "on" : "off" },
            References = parent,
        }, default);
        await CrashCheck.RunAsync(image, Length, 7, async file => await VmdkFormat.Instance.OpenAsync(file, new ImageOpenOptions { ReadOnly = false, References = parent }, default), seed);
    }

    [QemuImgFact]
    public async Task Chains_work_with_qemu_img_both_ways()
    {
        byte[] model = ImageFolder.Pattern(Length, 4);
        _images.Write("base.raw", model);
        QemuImg.Run("convert", "-f", "raw", "-O", "vmdk", _images.Path("base.raw"), _images.Path("base.vmdk"));
        QemuImg.Run("create", "-q", "-f", "vmdk", "-b", _images.Path("base.vmdk"), "-F", "vmdk", _images.Path("theirs.vmdk"));
        await using (ImageNode node = await _images.OpenAsync(VmdkFormat.Instance, "theirs.vmdk", references: new VmdkFiles()))
        {
            Assert.Equal(_images.Path("base.vmdk"), node.BackingReference!.Name);
            MappedImageContract.AssertSame(model, await BlockNodeContract.Read(node, 0, Length, cuts: 3));
            Random random = new(5);
            for (int i = 0; i < 40; i++)
            {
                byte[] data = new byte[random.Next(1, 200) * 512];
                random.NextBytes(data);
                int offset = random.Next(0, (Length - data.Length) / 512) * 512;
                await BlockNodeContract.Write(node, offset, data);
                data.CopyTo(model, offset);
            }
            await node.WriteZeroesAsync(1 << 20, 300 * 1024, WriteFlags.MayUnmap, default);
            model.AsSpan(1 << 20, 300 * 1024).Clear();
        }
        _images.Write("model.raw", model);
        QemuImg.Run("compare", "-f", "vmdk", "-F", "raw", _images.Path("theirs.vmdk"), _images.Path("model.raw"));
        QemuImg.Run("check", _images.Path("theirs.vmdk"));
    }

    [Fact]
    public async Task A_parent_that_was_changed_is_refused()
    {
        MemoryParent parent = new(VmdkFormat.Instance, await MemoryParent.MakeAsync(VmdkFormat.Instance, new byte[Length])), other = new(VmdkFormat.Instance, await MemoryParent.MakeAsync(VmdkFormat.Instance, new byte[Length]));
        Hutch.Block.Simulation.MemoryNode image = new(0);
        await VmdkFormat.Instance.CreateAsync(image, new ImageCreateRequest { LengthBytes = Length, Options = new Dictionary<string, string> { ["backing_file"] = "p" }, References = parent }, default);
        await using (ImageNode good = await VmdkFormat.Instance.OpenAsync(image.Copy(), new ImageOpenOptions { ReadOnly = true, References = parent }, default)) Assert.Equal(2, good.Children.Length);
        await Assert.ThrowsAsync<ImageException>(async () => await VmdkFormat.Instance.OpenAsync(image.Copy(), new ImageOpenOptions { ReadOnly = true, References = other }, default));
        await using ImageNode alone = await VmdkFormat.Instance.OpenAsync(image, new ImageOpenOptions { ReadOnly = true }, default);
        Assert.Single(alone.Children);
    }

    [Fact]
    public async Task The_disks_id_changes_before_its_content()
    {
        await _images.CreateAsync(VmdkFormat.Instance, "disk", 1 << 20);
        object Cid(ImageNode node) => node.DescribeSpecifics()!.Single(static p => p.Key == "cid").Value;
        object before, after;
        await using (ImageNode node = await _images.OpenAsync(VmdkFormat.Instance, "disk"))
        {
            before = Cid(node);
            await BlockNodeContract.Write(node, 0, new byte[512]);
            after = Cid(node);
        }
        Assert.NotEqual(before, after);
        await using ImageNode again = await _images.OpenAsync(VmdkFormat.Instance, "disk", readOnly: true);
        Assert.Equal(after, Cid(again));
    }

    public void Dispose() => _images.Dispose();
}

public sealed class VmdkMalformedTests : IDisposable
{
    private readonly ImageFolder _images = new();

    [Theory]
    [InlineData(0, "00", "Image not in VMDK format")]
    [InlineData(4, "04000000", "Unsupported VMDK version 4")]
    [InlineData(4, "03000000", "VMDK version 3 must be read only")]
    [InlineData(12, "ffffffffffffffff", "L1 size too big")]
    [InlineData(20, "0000000000000000", "Invalid granularity, image may be corrupt")]
    [InlineData(20, "8100000000000000", "Invalid granularity, image may be corrupt")]
    [InlineData(20, "ffffffffffffffff", "Invalid granularity, image may be corrupt")]
    [InlineData(28, "ffffffffffffffff", "invalid file descriptor address")]
    [InlineData(44, "00000000", "L2 table size too big")]
    [InlineData(44, "01020000", "L2 table size too big")]
    [InlineData(48, "ffffffffffff0f00", "Could not read l1 table from extent")]
    [InlineData(56, "0000000000000000", "Could not read l1 table from extent")]
    [InlineData(56, "ffffffffffff0f00", "Could not read l1 table from extent")]
    [InlineData(56, "ffffffffffffffff", "Invalid footer")]
    [InlineData(64, "ffffff0000000000", "File truncated, expecting at least 8589934080 bytes")]
    public async Task A_damaged_field_is_named(int offset, string bytes, string message)
    {
        byte[] image = await MakeAsync();
        Convert.FromHexString(bytes).CopyTo(image, offset);
        _images.Write("disk", image);
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VmdkFormat.Instance, "disk"));
        Assert.StartsWith(message, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_or_a_grain_outside_the_file_is_not_used()
    {
        byte[] image = await MakeAsync();
        int directory = BitConverter.ToInt32(image, 56) * 512, table = BitConverter.ToInt32(image, directory) * 512;
        BitConverter.GetBytes(0xffffffff).CopyTo(image, table);
        _images.Write("disk", image);
        await using (ImageNode node = await _images.OpenAsync(VmdkFormat.Instance, "disk"))
        {
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Read(node, 0, 512));
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, new byte[512]));
            List<string> lines = [];
            Assert.Equal(1, (await ((IImageCheck)node).CheckAsync(ImageRepair.None, lines.Add, default)).Corruptions);
            Assert.StartsWith("ERROR: ", Assert.Single(lines), StringComparison.Ordinal);
        }
        BitConverter.GetBytes(2).CopyTo(image, table);
        _images.Write("disk", image);
        await using (ImageNode node = await _images.OpenAsync(VmdkFormat.Instance, "disk"))
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, new byte[512]));
        BitConverter.GetBytes(0xffffffff).CopyTo(image, directory);
        _images.Write("disk", image);
        await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VmdkFormat.Instance, "disk"));
    }

    [Fact]
    public async Task A_damaged_compressed_grain_is_an_error_of_the_storage()
    {
        await _images.CreateAsync(VmdkFormat.Instance, "disk", 1 << 20, ("subformat", "streamOptimized"));
        await using (ImageNode node = await _images.OpenAsync(VmdkFormat.Instance, "disk")) await BlockNodeContract.Write(node, 0, ImageFolder.Pattern(65536, 3));
        byte[] image = await File.ReadAllBytesAsync(_images.Path("disk"));
        int grain = 65536;
        foreach ((int offset, uint value) in new[] { (8, 0u), (8, 0xffffffffu), (12, 0x12345678u) })
        {
            byte[] damaged = [.. image];
            BitConverter.GetBytes(value).CopyTo(damaged, grain + offset);
            _images.Write("disk", damaged);
            await using ImageNode node = await _images.OpenAsync(VmdkFormat.Instance, "disk");
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Read(node, 0, 512));
        }
    }

    // CVE-2022-47951: a descriptor can name any file of the host.
    [Theory]
    [InlineData("RW 1 FLAT \"/etc/passwd\" 0")]
    [InlineData("RW 1 VMFS \"../../../../etc/passwd\"")]
    [InlineData("RW 1 SPARSE \"/etc/passwd\"")]
    public async Task A_descriptor_that_is_not_trusted_opens_nothing(string line)
    {
        _images.Write("evil.vmdk", Encoding.ASCII.GetBytes($"# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n{line}\n"));
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VmdkFormat.Instance, "evil.vmdk", readOnly: true));
        Assert.Contains("is not opened", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("RW x FLAT \"a\" 0", "Invalid extent line: RW x FLAT \"a\" 0")]
    [InlineData("RW 0 FLAT \"a\" 0", "Invalid extent line: RW 0 FLAT \"a\" 0")]
    [InlineData("RW 99999999999999999999 FLAT \"a\" 0", "Invalid extent line: RW 99999999999999999999 FLAT \"a\" 0")]
    [InlineData("RW 1 FLAT \"a\"", "Invalid extent line: RW 1 FLAT \"a\"")]
    [InlineData("RW 1 FLAT \"a\" -1", "Invalid extent line: RW 1 FLAT \"a\" -1")]
    [InlineData("RW 1 FLAT a 0", "Invalid extent line: RW 1 FLAT a 0")]
    [InlineData("RW 1 FROG \"a\" 0", "Unsupported extent type 'FROG'")]
    [InlineData("CID=xyz", "Failed to parse cid 'xyz'")]
    [InlineData("", "invalid VMDK image descriptor")]
    public async Task A_line_that_makes_no_sense_is_named(string line, string message)
    {
        _images.Write("bad.vmdk", Encoding.ASCII.GetBytes($"# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"monolithicFlat\"\n{line}\n"));
        ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await _images.OpenAsync(VmdkFormat.Instance, "bad.vmdk", references: new VmdkFiles()));
        Assert.Equal(message, refused.Message);
    }

    [Fact]
    public async Task Extents_follow_each_other_whatever_they_are_of()
    {
        byte[] one = ImageFolder.Pattern(3 * 512, 1), two = ImageFolder.Pattern(8192, 2);
        _images.Write("one", one);
        _images.Write("two", two);
        _images.Write("disk", Encoding.ASCII.GetBytes("# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"custom\"\nRW 2 FLAT \"one\" 1\nRW 5 ZERO\nRW 10 FLAT \"two\" 3\n"));
        await using ImageNode node = await _images.OpenAsync(VmdkFormat.Instance, "disk", readOnly: true, references: new VmdkFiles());
        byte[] expected = [.. one[512..], .. new byte[5 * 512], .. two[1536..(1536 + 5120)]];
        Assert.Equal(expected, await BlockNodeContract.Read(node, 0, 17 * 512, cuts: 4));
        Assert.Equal(new BlockExtent(BlockExtentKind.Zero, 2560), await node.GetExtentAsync(1024, 15 * 512, default));
    }

    [Theory]
    [InlineData("# Disk DescriptorFile\nversion=1\n", true)]
    [InlineData("# a\r\n#b\r\n\r\nversion=3\r\nCID=1", true)]
    [InlineData("version=4\n", false)]
    [InlineData("#", false)]
    [InlineData("", false)]
    [InlineData("KDMV", true)]
    [InlineData("something=1\nversion=1\n", false)]
    public void Descriptors_are_recognised(string head, bool expected) => Assert.Equal(expected, VmdkFormat.Instance.Probe(Encoding.ASCII.GetBytes(head), "") == 100);

    public void Dispose() => _images.Dispose();

    private async Task<byte[]> MakeAsync()
    {
        await _images.CreateAsync(VmdkFormat.Instance, "disk", 1 << 20);
        return await File.ReadAllBytesAsync(_images.Path("disk"));
    }
}
