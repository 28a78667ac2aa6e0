using System;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Formats.Raw;
using Hutch.Block.Graph;
using Xunit;

namespace Hutch.Block.Tests.Files;

/// <summary>The contract for host files, each way of opening them. A raw node above gives them an end.</summary>
public abstract class FileNodeContract : BlockNodeContract, IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    internal abstract FileOpenOptions Options { get; }

    protected override BlockNode Create()
    {
        File.WriteAllBytes(_path, []);
        using (FileStream file = File.OpenWrite(_path)) file.SetLength(LengthBytes);
        return new RawNode(FileNode.Open(_path, Options));
    }

    [Fact]
    public async Task What_was_written_is_in_the_file_for_others()
    {
        byte[] data = new byte[70000];
        new Random(3).NextBytes(data);
        await using BlockNode node = Create();
        await Write(node, 5000, data, cuts: 3);
        await node.FlushAsync(default);
        Assert.Equal(data, File.ReadAllBytes(_path).AsSpan(5000, data.Length).ToArray());
    }

    public void Dispose()
    {
        File.Delete(_path);
        GC.SuppressFinalize(this);
    }
}

public sealed class FileNodeOnThreads : FileNodeContract
{
    internal override FileOpenOptions Options => new() { Aio = AioMode.Threads };
}

public sealed class FileNodeWithDurableWrites : FileNodeContract
{
    internal override FileOpenOptions Options => new() { Cache = CacheMode.Writethrough };
}

public sealed class FileNodeUnsafe : FileNodeContract
{
    internal override FileOpenOptions Options => new() { Cache = CacheMode.Unsafe, ContinuesInline = true };
}

public sealed class FileNodeDirect : FileNodeContract
{
    internal override FileOpenOptions Options => new() { Cache = CacheMode.None };
}

public sealed class FileNodeDirectOnThreads : FileNodeContract
{
    internal override FileOpenOptions Options => new() { Cache = CacheMode.DirectSync, Aio = AioMode.Threads };
}
