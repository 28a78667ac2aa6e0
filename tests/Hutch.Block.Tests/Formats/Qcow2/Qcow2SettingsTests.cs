using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Run-time options of an image.</summary>
public sealed class Qcow2SettingsTests
{
    [Theory]
    [InlineData("l2-cache-entry-size=33k", "L2 cache entry size must be a power of two between 512 and the cluster size (65536)")]
    [InlineData("l2-cache-entry-size=128k", "L2 cache entry size must be a power of two between 512 and the cluster size (65536)")]
    [InlineData("refcount-cache-size=256T", "Refcount cache size too big")]
    [InlineData("cache-clean-interval=-1", "Cache clean interval too big")]
    [InlineData("overlap-check=constant,overlap-check.template=all", "Conflicting values for qcow2 options 'overlap-check' ('constant') and 'overlap-check.template' ('all')")]
    [InlineData("overlap-check.template=x", "Unsupported value 'x' for qcow2 option 'overlap-check'. Allowed are any of the following: none, constant, cached, all")]
    [InlineData("overlap-check.active-l1=x", "Parameter 'overlap-check.active-l1' expects 'on' or 'off'")]
    public async Task A_wrong_value_refuses_the_image(string options, string message)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20);
        Assert.Equal(message, (await Assert.ThrowsAsync<ImageException>(async () => await Qcow2Images.OpenAsync(file, options: options))).Message);
    }

    [Theory]
    [InlineData("cache-size=1M,l2-cache-size=512k", "refcount-cache-size=128k", "l2-cache-size=512k,refcount-cache-size=128k")]
    [InlineData("l2-cache-size=512k,refcount-cache-size=128k", "cache-size=1M", "cache-size=1M")]
    [InlineData("overlap-check=all,overlap-check.active-l1=off", "overlap-check.template=none", "overlap-check.template=none")]
    [InlineData("overlap-check=none", "overlap-check.active-l1=on", "overlap-check=none,overlap-check.active-l1=on")]
    public void What_is_said_later_puts_away_what_contradicts_it(string before, string now, string both) =>
        Assert.Equal(Sorted(Qcow2Images.Parse(both)), Sorted(Qcow2Format.Instance.JoinOptions(Qcow2Images.Parse(before), Qcow2Images.Parse(now))));

    [Theory]
    [InlineData("", true)]
    [InlineData("overlap-check.refcount-block=off", false)]
    [InlineData("overlap-check=none", false)]
    [InlineData("overlap-check=none,overlap-check.refcount-block=on", true)]
    public async Task Metadata_is_protected_as_the_options_say(string options, bool isProtected)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20);
        await using (Qcow2Node made = await Qcow2Images.OpenAsync(file)) await BlockNodeContract.Write(made, 0, new byte[512]);
        // The disk's first cluster lies where the refcount block is.
        byte[] content = file.Content;
        new byte[] { 0x80, 0, 0, 0, 0, 2, 0, 0 }.CopyTo(content, 0x40000);
        await using Qcow2Node node = await Qcow2Images.OpenAsync(new MemoryFile(content), options: options);
        if (isProtected) await Assert.ThrowsAsync<BlockIoException>(async () => await BlockNodeContract.Write(node, 0, new byte[512]));
        else await BlockNodeContract.Write(node, 0, new byte[512]);
    }

    [Fact]
    public async Task Tables_of_snapshots_are_protected_where_that_is_asked()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20);
        await using (Qcow2Node made = await Qcow2Images.OpenAsync(file))
        {
            await BlockNodeContract.Write(made, 0, new byte[512]);
            await made.CreateSnapshotAsync(Qcow2SnapshotTests.Info("s"), default);
            await BlockNodeContract.Write(made, 0, new byte[512]);
        }
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file, options: "overlap-check=all");
        Assert.True(node.Metadata.Overlaps.Is(4, OverlapKind.InactiveL2));
        await BlockNodeContract.Write(node, 65536, new byte[512]);
        await node.DeleteSnapshotAsync("s", default);
        Assert.False(node.Metadata.Overlaps.Is(4, OverlapKind.InactiveL2));
    }

    [Fact]
    public async Task Writes_over_storage_that_writes_through_are_durable_with_their_map()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20);
        file.MakeWritesDurable();
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file);
        byte[] data = new byte[512];
        data.AsSpan().Fill(7);
        await BlockNodeContract.Write(node, 4096, data);
        // The node is still open, and nobody has flushed.
        await using Qcow2Node after = await Qcow2Images.OpenAsync(new MemoryFile(file.Content), readOnly: true);
        Assert.Equal(data, await BlockNodeContract.Read(after, 4096, 512));
    }

    [Fact]
    public async Task Space_that_was_given_up_is_used_again_before_the_file_grows()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(64 << 20, "cluster_size=1M");
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file);
        await BlockNodeContract.Write(node, 0, new byte[20 << 20]);
        await node.FlushAsync(default);
        long end = node.Metadata.Allocator.FreshFrom;
        await node.DiscardAsync(0, 20 << 20, default);
        await BlockNodeContract.Write(node, 32 << 20, new byte[20 << 20]);
        Assert.Equal(end, node.Metadata.Allocator.FreshFrom);
    }

    private static SortedDictionary<string, string> Sorted(IReadOnlyDictionary<string, string> options) => new(new Dictionary<string, string>(options), StringComparer.Ordinal);
}
