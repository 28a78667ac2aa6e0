using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using Hutch.Block.Formats;
using Hutch.Block.Simulation;
using Hutch.Block.Tests.Nbd;
using Xunit;

namespace Hutch.Block.Tests.Opening;

/// <summary>Network block devices as what images lie on: by name and by description.</summary>
public sealed class NbdGraphTests
{
    [Theory]
    [InlineData("nbd+unix:///?socket=SOCKET", "")]
    [InlineData("nbd:unix:SOCKET", "")]
    [InlineData("json:{'driver':'raw','file':{'driver':'nbd','path':'SOCKET'}}", "")]
    [InlineData("", "driver=raw,file.driver=nbd,file.server.type=unix,file.server.path=SOCKET")]
    [InlineData("", "driver=nbd,server.type=unix,server.path=SOCKET")]
    public async Task An_export_opens_as_an_image(string name, string options)
    {
        await using MemoryNode node = new(1 << 20);
        await BlockNodeContract.Write(node, 4096, "hello"u8.ToArray());
        await using NbdPair pair = NbdPair.Of(node);
        await using ImageNode image = await OpenAsync(pair, name, options);
        Assert.Equal(1 << 20, image.LengthBytes);
        Assert.Equal("hello"u8.ToArray(), await BlockNodeContract.Read(image, 4096, 5));
        await BlockNodeContract.Write(image, 8192, "there"u8.ToArray());
        Assert.Equal("there"u8.ToArray(), await BlockNodeContract.Read(node, 8192, 5));
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_an_image_that_cannot_be_opened()
    {
        ImageException e = await Assert.ThrowsAsync<ImageException>(async () => await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = "nbd+unix:///?socket=/nowhere/at/all" }, default));
        Assert.Contains("/nowhere/at/all", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Credentials_that_nobody_gave_are_named()
    {
        ImageException e = await Assert.ThrowsAsync<ImageException>(async () => await BlockGraph.OpenAsync(new BlockOpenRequest
        {
            Filename = "", Options = new Dictionary<string, string> { ["driver"] = "nbd", ["host"] = "localhost", ["tls-creds"] = "t0" }, FindTlsFolder = static _ => null,
        }, default));
        Assert.Equal("No TLS credentials with id 't0'", e.Message);
    }

    private static async Task<ImageNode> OpenAsync(NbdPair pair, string name, string options)
    {
        Dictionary<string, string> all = [];
        foreach (string option in options.Split(',', StringSplitOptions.RemoveEmptyEntries))
            all[option[..option.IndexOf('=', StringComparison.Ordinal)]] = option[(option.IndexOf('=', StringComparison.Ordinal) + 1)..].Replace("SOCKET", pair.Socket, StringComparison.Ordinal);
        return await BlockGraph.OpenAsync(new BlockOpenRequest { Filename = name.Replace("SOCKET", pair.Socket, StringComparison.Ordinal), Format = name.StartsWith("nbd", StringComparison.Ordinal) ? "raw" : null, Options = all }, default);
    }
}
