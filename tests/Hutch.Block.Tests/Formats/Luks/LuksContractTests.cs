using System;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Luks;
using Hutch.Block.Graph;

namespace Hutch.Block.Tests.Formats.Luks;

public sealed class LuksContractTests : BlockNodeContract, IDisposable
{
    private readonly ImageFolder _images = new();

    protected override BlockNode Create() => CreateAsync().GetAwaiter().GetResult();

    public void Dispose() => _images.Dispose();

    private async Task<BlockNode> CreateAsync()
    {
        _images.Secrets["s0"] = "abc"u8.ToArray();
        await _images.CreateAsync(LuksFormat.Instance, "disk.luks", LengthBytes, ("key-secret", "s0"), ("iter-time", "1"));
        ImageNode node = await _images.OpenAsync(LuksFormat.Instance, "disk.luks", options: ("key-secret", "s0"));
        await node.WriteZeroesAsync(0, LengthBytes, WriteFlags.None, default);
        return node;
    }
}
