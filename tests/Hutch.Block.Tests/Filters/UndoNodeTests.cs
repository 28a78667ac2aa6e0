using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Raw;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;
using Xunit;

namespace Hutch.Block.Tests.Filters;

public sealed class UndoNodeTests : BlockNodeContract, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("hutch-undo").FullName;

    protected override BlockNode Create() =>
        new RawNode(new UndoNode(new MemoryNode(LengthBytes), Path.Combine(_directory, Guid.NewGuid().ToString("N"))));

    [Fact]
    public async Task What_was_changed_is_put_back()
    {
        string undo = Path.Combine(_directory, "undo");
        byte[] before = new byte[300_000];
        new Random(1).NextBytes(before);
        MemoryNode file = new(before.Length);
        await Write(file, 0, before);
        UndoNode node = new(file, undo);
        await Write(node, 70_000, new byte[100_000]);
        await node.WriteZeroesAsync(1000, 3000, WriteFlags.MayUnmap, CancellationToken.None);
        await node.ResizeAsync(200_000, Preallocation.Off, CancellationToken.None);
        await node.ResizeAsync(400_000, Preallocation.Off, CancellationToken.None);
        await UndoNode.ApplyAsync(undo, file, CancellationToken.None);
        Assert.Equal(before.Length, file.LengthBytes);
        Assert.Equal(before, await Read(file, 0, before.Length));
        await node.DisposeAsync();
    }

    [Fact]
    public async Task Something_else_is_not_applied()
    {
        string path = Path.Combine(_directory, "other");
        await File.WriteAllBytesAsync(path, new byte[100]);
        await using MemoryNode file = new(1024);
        await Assert.ThrowsAsync<ImageException>(async () => await UndoNode.ApplyAsync(path, file, CancellationToken.None));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
