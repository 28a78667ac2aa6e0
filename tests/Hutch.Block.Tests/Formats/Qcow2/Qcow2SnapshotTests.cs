using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Qcow2;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Hutch.Host.Files;
using Xunit;

namespace Hutch.Block.Tests.Formats.Qcow2;

/// <summary>Internal snapshots: what they hold, that they leave the metadata right, and what a crash in the middle leaves.</summary>
public sealed class Qcow2SnapshotTests : IDisposable
{
    private const int LengthBytes = 2 << 20;

    private readonly string _folder = Directory.CreateTempSubdirectory("qcow2").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("")]
    [InlineData("cluster_size=512")]
    [InlineData("compat=0.10,cluster_size=4k")]
    [InlineData("extended_l2=on,cluster_size=16k")]
    [InlineData("lazy_refcounts=on")]
    [InlineData("refcount_bits=8,cluster_size=1k")]
    public async Task Snapshots_keep_their_content_through_all_changes(string options)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, options);
        byte[] model = new byte[LengthBytes];
        Dictionary<string, byte[]> models = [];
        Random random = new(11);
        for (int round = 0; round < 9; round++)
        {
            await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
            {
                await Fill(node, model, random);
                if (round % 3 != 2)
                {
                    string name = $"s{round}";
                    await node.CreateSnapshotAsync(Info(name), default);
                    models[name] = [.. model];
                }
                await Fill(node, model, random);
                if (round is 4 or 7)
                {
                    string name = node.Snapshots[random.Next(node.Snapshots.Count)].Name;
                    await node.ApplySnapshotAsync(name, default);
                    models[name].CopyTo(model, 0);
                }
                if (round is 3 or 5 or 8)
                {
                    string name = node.Snapshots[random.Next(node.Snapshots.Count)].Name;
                    await node.DeleteSnapshotAsync(name, default);
                    models.Remove(name);
                }
                await Fill(node, model, random);
                Assert.Equal(model, await BlockNodeContract.Read(node, 0, LengthBytes));
            }
            await AssertClean(file);
            foreach ((string name, byte[] expected) in models) Assert.Equal(expected, await ReadSnapshot(file, name));
        }
    }

    [Fact]
    public async Task Applying_a_snapshot_gives_its_length_back()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20, "cluster_size=4k");
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await BlockNodeContract.Write(node, 4096, [.. new byte[512], 7]);
            await node.CreateSnapshotAsync(Info("small"), default);
            await node.ResizeAsync(8 << 20, Preallocation.Off, default);
            await BlockNodeContract.Write(node, 7 << 20, [1, 2, 3]);
            await node.CreateSnapshotAsync(Info("large"), default);
            await node.ApplySnapshotAsync("1", default);
            Assert.Equal(1 << 20, node.LengthBytes);
            Assert.Equal(7, (await BlockNodeContract.Read(node, 4096 + 512, 1))[0]);
            await node.ApplySnapshotAsync("large", default);
            Assert.Equal(8 << 20, node.LengthBytes);
            Assert.Equal([1, 2, 3], await BlockNodeContract.Read(node, 7 << 20, 3));
            Assert.Equal(["1", "2"], [node.Snapshots[0].Id, node.Snapshots[1].Id]);
        }
        await AssertClean(file);
    }

    [Fact]
    public async Task The_machines_state_goes_with_its_snapshot()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(1 << 20, "cluster_size=4k");
        byte[] state = new byte[300_000];
        new Random(1).NextBytes(state);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await WriteState(node, state);
            await node.CreateSnapshotAsync(Info("s") with { VmStateBytes = state.Length, VmClockNanoseconds = 5 }, default);
            Assert.All(await ReadState(node, 4096), static b => Assert.Equal(0, b));
            await node.ApplySnapshotAsync("s", default);
            Assert.Equal(state, await ReadState(node, state.Length));
        }
        await AssertClean(file);
        await using Qcow2Node read = await Qcow2Images.OpenAsync(file, readOnly: true);
        await read.LoadSnapshotAsync("s", default);
        Assert.Equal(state, await ReadState(read, state.Length));
    }

    [Fact]
    public async Task A_snapshot_that_refcounts_have_no_room_for_leaves_a_leaked_table_at_most()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, "refcount_bits=1,cluster_size=4k");
        byte[] model = new byte[LengthBytes];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await Fill(node, model, new Random(2));
            BlockIoException refused = await Assert.ThrowsAsync<BlockIoException>(async () => await node.CreateSnapshotAsync(Info("s"), default));
            Assert.Equal(BlockIoException.Einval, refused.Errno);
            Assert.Empty(node.Snapshots);
            await Fill(node, model, new Random(3));
            Assert.Equal(model, await BlockNodeContract.Read(node, 0, LengthBytes));
        }
        Assert.Equal((0, 1), Qcow2Images.Examine(file.Content));
    }

    [Fact]
    public async Task A_snapshot_that_is_not_there_is_told()
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes);
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file);
        Assert.Equal("snapshot not found", (await Assert.ThrowsAsync<ImageException>(async () => await node.DeleteSnapshotAsync("x", default))).Message);
        Assert.Equal("snapshot not found", (await Assert.ThrowsAsync<ImageException>(async () => await node.ApplySnapshotAsync("x", default))).Message);
    }

    [Theory]
    [InlineData("create")]
    [InlineData("apply")]
    [InlineData("delete")]
    public async Task A_power_loss_leaves_leaks_at_most_and_all_content(string work)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes / 4, "cluster_size=1k");
        byte[] model = new byte[LengthBytes / 4], before, kept = [];
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await Fill(node, model, new Random(4));
            kept = [.. model];
            await node.CreateSnapshotAsync(Info("kept"), default);
            await Fill(node, model, new Random(5));
        }
        before = [.. model];
        MemoryNode initial = new(0);
        initial.SetLength(file.Content.Length);
        initial.Write(0, file.Content);
        RecordingNode recording = new(initial);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(recording))
        {
            switch (work)
            {
                case "create":
                    await node.CreateSnapshotAsync(Info("new"), default);
                    break;
                case "apply":
                    await node.ApplySnapshotAsync("kept", default);
                    break;
                default:
                    await node.DeleteSnapshotAsync("kept", default);
                    break;
            }
        }
        CrashReplay replay = new(recording);
        Random random = new(6);
        for (long moment = 0; moment <= replay.LastMoment; moment += 1 + (replay.LastMoment / 40))
        {
            replay.AdvanceTo(moment);
            MemoryNode left = replay.Materialise(random);
            List<string> messages = [];
            await using (Qcow2Node check = await Qcow2Images.OpenAsync(left, readOnly: true, forCheck: true)) _ = await check.CheckAsync(ImageRepair.None, messages.Add, default);
            // Flags may be more careful than refcounts, or behind a refcount that is too high: neither loses anything.
            Assert.DoesNotContain(messages, static text => !text.StartsWith("Leaked", StringComparison.Ordinal) && !text.StartsWith("ERROR OFLAG_COPIED", StringComparison.Ordinal));
            await using Qcow2Node node = await Qcow2Images.OpenAsync(left);
            byte[] now = await BlockNodeContract.Read(node, 0, model.Length);
            Assert.True(now.AsSpan().SequenceEqual(before) || (work == "apply" && now.AsSpan().SequenceEqual(kept)));
            foreach (ImageSnapshot snapshot in node.Snapshots)
            {
                await node.ApplySnapshotAsync(snapshot.Id, default);
                Assert.Equal(snapshot.Name == "kept" ? kept : before, await BlockNodeContract.Read(node, 0, model.Length));
            }
        }
    }

    [QemuTheory("qemu-img")]
    [InlineData("")]
    [InlineData("cluster_size=512")]
    [InlineData("compat=0.10")]
    [InlineData("extended_l2=on,cluster_size=32k")]
    public async Task Snapshots_of_either_program_serve_the_other(string options)
    {
        MemoryFile file = await Qcow2Images.CreateAsync(LengthBytes, options);
        byte[] model = new byte[LengthBytes], first;
        Random random = new(8);
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(file))
        {
            await Fill(node, model, random);
            first = [.. model];
            await node.CreateSnapshotAsync(Info("ours"), default);
            await Fill(node, model, random);
        }
        string image = Path.Combine(_folder, "image"), raw = Path.Combine(_folder, "raw");
        await File.WriteAllBytesAsync(image, file.Content);
        Qemu("check", image);
        Qemu("snapshot", "-c", "theirs", image);
        Qemu("snapshot", "-a", "ours", image);
        Qemu("convert", "-O", "raw", image, raw);
        Assert.Equal(first, await File.ReadAllBytesAsync(raw));
        MemoryFile back = new(await File.ReadAllBytesAsync(image));
        await AssertClean(back);
        Assert.Equal(model, await ReadSnapshot(back, "theirs"));
        await using (Qcow2Node node = await Qcow2Images.OpenAsync(back))
        {
            await node.DeleteSnapshotAsync("ours", default);
            await node.ApplySnapshotAsync("theirs", default);
            await Fill(node, model, random);
            Assert.Equal(model, await BlockNodeContract.Read(node, 0, LengthBytes));
        }
        await File.WriteAllBytesAsync(image, back.Content);
        Qemu("check", image);
        Qemu("snapshot", "-d", "theirs", image);
        Qemu("check", image);
    }

    internal static ImageSnapshot Info(string name) => new("", name, 0, 1_700_000_000, 5, 0, 0, 0);

    internal static async Task Fill(ImageNode node, byte[] model, Random random)
    {
        for (int i = 0; i < 12; i++)
        {
            int offset = random.Next(model.Length / 512) * 512, length = Math.Min(model.Length - offset, random.Next(1, 200) * 512);
            if (random.Next(4) == 0)
            {
                offset = offset / node.ClusterBytes * node.ClusterBytes;
                byte[] plain = new byte[Math.Min(node.ClusterBytes, model.Length - offset)];
                plain.AsSpan().Fill((byte)(1 + i));
                await BlockNodeContract.Write(node, offset, plain, flags: WriteFlags.Compressed);
                plain.CopyTo(model, offset);
                continue;
            }
            byte[] data = new byte[length];
            random.NextBytes(data);
            await BlockNodeContract.Write(node, offset, data);
            data.CopyTo(model, offset);
        }
    }

    private static async Task AssertClean(BlockNode file)
    {
        List<string> messages = [];
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file, readOnly: true, forCheck: true);
        ImageCheckResult result = await node.CheckAsync(ImageRepair.None, messages.Add, default);
        Assert.Equal((0, 0, 0, ""), (result.Corruptions, result.Leaks, result.CheckErrors, string.Join('\n', messages)));
    }

    private static async Task<byte[]> ReadSnapshot(BlockNode file, string name)
    {
        await using Qcow2Node node = await Qcow2Images.OpenAsync(file, readOnly: true);
        await node.LoadSnapshotAsync(name, default);
        return await BlockNodeContract.Read(node, 0, (int)node.LengthBytes);
    }

    private static async Task WriteState(Qcow2Node node, byte[] state)
    {
        using NativeBuffer buffer = new(state.Length);
        state.CopyTo(buffer.Span);
        await node.WriteVmStateAsync(0, new IoVector(new[] { buffer.Segment(0, state.Length) }), CancellationToken.None);
    }

    private static async Task<byte[]> ReadState(Qcow2Node node, int length)
    {
        using NativeBuffer buffer = new(length);
        await node.ReadVmStateAsync(0, new IoVector(new[] { buffer.Segment(0, length) }), CancellationToken.None);
        return buffer.Span[..length].ToArray();
    }

    private static void Qemu(params string[] arguments)
    {
        (int status, string text) = Tests.Qemu.Run("qemu-img", arguments);
        Assert.True(status == 0, text);
    }
}
