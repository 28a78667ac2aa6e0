using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Options of an image that is there already.</summary>
public sealed class Qcow2AmendTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("qcow2").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [QemuFact("qemu-img")]
    public async Task An_old_image_with_snapshots_becomes_a_new_one()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20, "compat=0.10,cluster_size=4k");
        byte[] model = new byte[1 << 20];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await Qcow2SnapshotTests.Fill(node, model, new Random(1));
            await node.CreateSnapshotAsync(Qcow2SnapshotTests.Info("s"), default);
            double last = 0;
            await node.AmendAsync(Qcow2Images.Parse("compat=1.1,lazy_refcounts=on,size=2M,backing_file=base,backing_fmt=raw"), false, done => last = done, default);
            Assert.Equal(1, last);
        }
        string image = Path.Combine(_folder, "image");
        await File.WriteAllBytesAsync(image, file.Content);
        await File.WriteAllBytesAsync(Path.Combine(_folder, "base"), new byte[512]);
        (int status, string text) = Qemu.Run("qemu-img", "check", image);
        Assert.True(status == 0, text);
        await using Qcow2Node read = await Qcow2Images.OpenAsync(file, readOnly: true);
        Assert.Equal((3, true, 2L << 20, "base", "raw"), (read.Metadata.Header.Version, read.Metadata.Header.IsLazy, read.LengthBytes, read.BackingReference!.Name, read.BackingReference.Format));
        Assert.Equal(1 << 20, read.Snapshots[0].DiskBytes);
    }

    [Theory]
    [InlineData("compat=0.42", "Unknown compatibility level 0.42")]
    [InlineData("compat=0.10,refcount_bits=32", "Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)")]
    [InlineData("compat=0.10,lazy_refcounts=on", "Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)")]
    [InlineData("refcount_bits=7", "Refcount width must be a power of two and may not exceed 64 bits")]
    [InlineData("cluster_size=4k", "Invalid parameter 'cluster_size'")]
    [InlineData("data_file_raw=on", "data-file-raw cannot be set on existing images")]
    public async Task What_cannot_be_is_refused_and_nothing_changes(string options, string message)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20);
        byte[] before = file.Content;
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await node.AmendAsync(Qcow2Images.Parse($"size=2M,{options}"), false, null, default));
            Assert.Equal(message, refused.Message);
        }
        Assert.Equal(before, file.Content);
    }

    [Theory]
    [InlineData(4, "refcount_bits=64", 6)]
    [InlineData(4, "refcount_bits=8", 3)]
    [InlineData(6, "refcount_bits=16", 4)]
    [InlineData(3, "refcount_bits=32,size=3M", 5)]
    public async Task Refcounts_change_their_width_and_the_content_stays(int order, string options, int wanted)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(2 << 20, $"cluster_size=512,refcount_bits={1 << order}");
        byte[] model = new byte[2 << 20];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await Qcow2SnapshotTests.Fill(node, model, new Random(order));
            await node.CreateSnapshotAsync(Qcow2SnapshotTests.Info("s"), default);
            await Qcow2SnapshotTests.Fill(node, model, new Random(order + 1));
            await node.AmendAsync(Qcow2Images.Parse(options), false, null, default);
            // What is in memory describes the image as it was.
            await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, new byte[512]));
        }
        await using Qcow2Node read = await Qcow2Images.OpenAsync(file);
        Assert.Equal(wanted, read.Metadata.Header.RefcountOrder);
        ImageCheckResult result = await read.CheckAsync(ImageRepair.None, static _ => { }, default);
        Assert.Equal((0, 0, 0), (result.Corruptions, result.Leaks, result.CheckErrors));
        Assert.Equal(model, await BlockNodeContract.Read(read, 0, model.Length));
    }

    [Fact]
    public async Task A_refcount_that_does_not_fit_is_named_and_nothing_changes()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await BlockNodeContract.Write(node, 0, new byte[512]);
            await node.CreateSnapshotAsync(Qcow2SnapshotTests.Info("s"), default);
        }
        byte[] before = file.Content;
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            ImageException refused = await Assert.ThrowsAsync<ImageException>(async () => await node.AmendAsync(Qcow2Images.Parse("refcount_bits=1"), false, null, default));
            Assert.Equal("Cannot decrease refcount entry width to 1 bits: Cluster at offset 0x40000 has a refcount of 2", refused.Message);
        }
        Assert.Equal(before, file.Content);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_downgrade_turns_zero_clusters_into_what_version_2_has(bool isBacked)
    {
        byte[] below = new byte[1 << 20];
        new Random(3).NextBytes(below);
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20, "cluster_size=4k,refcount_bits=16" + (isBacked ? ",backing_file=base,backing_fmt=raw" : ""));
        byte[] model = isBacked ? (byte[])below.Clone() : new byte[1 << 20];
        await using (Qcow2Node node = await Open())
        {
            await Qcow2SnapshotTests.Fill(node, model, new Random(4));
            await Zero(node, model, 8192, 65536, WriteFlags.None);
            await node.CreateSnapshotAsync(Qcow2SnapshotTests.Info("s"), default);
            await Zero(node, model, 262144, 16384, WriteFlags.MayUnmap);
            await Zero(node, model, 409600, 409600, WriteFlags.None);
            await node.AmendAsync(Qcow2Images.Parse("compat=0.10"), false, null, default);
        }
        await using Qcow2Node read = await Open();
        Assert.Equal(2, read.Metadata.Header.Version);
        ImageCheckResult result = await read.CheckAsync(ImageRepair.None, static _ => { }, default);
        Assert.Equal((0, 0, 0), (result.Corruptions, result.Leaks, result.CheckErrors));
        Assert.Equal(model, await BlockNodeContract.Read(read, 0, model.Length));
        await read.ApplySnapshotAsync("s", default);

        Task<Qcow2Node> Open() => Qcow2Images.OpenAsync(file, references: isBacked ? new GivenReferences(new MemoryFile(below)) : null);
    }

    private static async Task Zero(Qcow2Node node, byte[] model, int offset, int length, WriteFlags flags)
    {
        await node.WriteZeroesAsync(offset, length, flags, default);
        model.AsSpan(offset, length).Clear();
    }

    [QemuFact("qemu-img")]
    public async Task Bitmaps_of_qemu_img_are_listed()
    {
        string image = Path.Combine(_folder, "image");
        await File.WriteAllBytesAsync(image, (await Qcow2Images.CreateAsync(4 << 20)).Content);
        Qemu.Run("qemu-img", "bitmap", "--add", image, "one");
        Qemu.Run("qemu-img", "bitmap", "--add", "--disable", "-g", "4k", image, "two");
        await using Qcow2Node read = await Qcow2Images.OpenAsync(new MemoryFile(await File.ReadAllBytesAsync(image)), readOnly: true);
        IReadOnlyList<object> bitmaps = (IReadOnlyList<object>)Find(read.DescribeSpecifics()!, "bitmaps");
        Assert.Equal(2, bitmaps.Count);
        IReadOnlyList<KeyValuePair<string, object>> one = (IReadOnlyList<KeyValuePair<string, object>>)bitmaps[0], two = (IReadOnlyList<KeyValuePair<string, object>>)bitmaps[1];
        Assert.Equal(("one", 65536L, "auto"), (Find(one, "name"), Find(one, "granularity"), ((IReadOnlyList<object>)Find(one, "flags"))[0]));
        Assert.Equal(("two", 4096L), (Find(two, "name"), Find(two, "granularity")));
        Assert.Empty((IReadOnlyList<object>)Find(two, "flags"));
    }

    private static object Find(IReadOnlyList<KeyValuePair<string, object>> list, string name)
    {
        foreach ((string key, object value) in list)
            if (key == name) return value;
        throw new KeyNotFoundException(name);
    }
}
