using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Formats;
using Hutch.Block.Graph;
using Hutch.Block.Nbd;
using Hutch.Block.Simulation;
using Hutch.Host.Files;
using Xunit;

namespace Hutch.Block.Tests.Nbd;

public sealed class NbdNodeTests : BlockNodeContract
{
    protected override BlockNode Create() => ConnectedNode.Over(new MemoryNode(LengthBytes, grows: false));

    [Fact]
    public async Task A_read_only_export_is_only_read()
    {
        MemoryNode memory = new(LengthBytes);
        memory.Write(0, [1, 2, 3]);
        await using NbdPair pair = NbdPair.Of(memory, readOnly: true);
        DiskOpenException e = await Assert.ThrowsAsync<DiskOpenException>(() => pair.ConnectAsync());
        Assert.Equal("request on write denied without write permission", e.Reason);
        await using BlockNode node = await NbdNode.OpenAsync(pair.Client() with { ReadOnly = true }, default);
        Assert.Equal([1, 2, 3], await Read(node, 0, 3));
        await Assert.ThrowsAsync<BlockIoException>(async () => await Write(node, 0, [1]));
        await node.FlushAsync(default);
    }

    [Fact]
    public async Task An_export_that_does_not_exist_is_named()
    {
        await using NbdPair pair = NbdPair.Of(new MemoryNode(LengthBytes));
        DiskOpenException e = await Assert.ThrowsAsync<DiskOpenException>(() => pair.ConnectAsync("absent"));
        Assert.Equal("Requested export not available: export 'absent' not present", e.Reason);
        e = await Assert.ThrowsAsync<DiskOpenException>(async () => await NbdNode.OpenAsync(new NbdClientOptions { Address = NbdAddress.Parse("nbd+unix:///?socket=/absent") }, default));
        Assert.Equal("Failed to connect to '/absent': No such file or directory", e.Reason);
    }

    [Fact]
    public async Task A_failure_of_the_node_arrives_with_its_number()
    {
        MemoryNode memory = new(LengthBytes);
        memory.Write(0, Enumerable.Repeat((byte)1, 300000).ToArray());
        FaultNode faulty = new(memory);
        faulty.Add(new FaultRule { Operations = FaultOperations.Write, Errno = BlockIoException.Enospc });
        faulty.Add(new FaultRule { Operations = FaultOperations.Read, Offset = 65536, LengthBytes = 512 });
        await using NbdPair pair = NbdPair.Of(faulty);
        await using BlockNode node = await pair.ConnectAsync();
        BlockIoException e = await Assert.ThrowsAsync<BlockIoException>(async () => await Write(node, 0, new byte[512]));
        Assert.Equal(BlockIoException.Enospc, e.Errno);
        Assert.Contains("a failure was injected", e.Message, StringComparison.Ordinal);
        e = await Assert.ThrowsAsync<BlockIoException>(async () => await Read(node, 0, 200000));
        Assert.Equal(BlockIoException.Eio, e.Errno);
        Assert.Equal([1, 1], await Read(node, 0, 2));
    }

    [Fact]
    public async Task Long_requests_and_many_at_once_arrive()
    {
        const int Long = 40 << 20;
        MemoryNode memory = new(Long);
        await using NbdPair pair = NbdPair.Of(memory);
        await using BlockNode node = await pair.ConnectAsync();
        using NativeBuffer data = new(Long), back = new(Long);
        new Random(5).NextBytes(data.Span);
        data.Span[(1 << 20)..(5 << 20)].Clear();
        await node.WriteAsync(0, new IoVector(new[] { data.Segment(0, Long) }), WriteFlags.Durable, default);
        await node.ReadAsync(0, new IoVector(new[] { back.Segment(0, Long) }), default);
        Assert.True(data.Span.SequenceEqual(back.Span));
        back.Span.Clear();
        List<Task> reads = [];
        for (int i = 0; i < 500; i++)
        {
            int at = i * 50001;
            reads.Add(node.ReadAsync(at, new IoVector(new[] { back.Segment(at, 50001) }), default).AsTask());
        }
        await Task.WhenAll(reads);
        Assert.True(data.Span[..(500 * 50001)].SequenceEqual(back.Span[..(500 * 50001)]));
    }

    [Fact]
    public async Task Block_status_tells_zeros()
    {
        MemoryNode memory = new(1L << 40);
        memory.Write(1 << 20, new byte[1 << 16].Select(static _ => (byte)1).ToArray());
        await using NbdPair pair = NbdPair.Of(memory);
        await using BlockNode node = await pair.ConnectAsync();
        BlockExtent extent = await node.GetExtentAsync(0, 1L << 40, default);
        Assert.Equal((BlockExtentKind.Zero, 1L << 20), (extent.Kind, extent.LengthBytes));
        extent = await node.GetExtentAsync(1 << 20, 1L << 20, default);
        Assert.Equal((BlockExtentKind.Data, 1L << 16), (extent.Kind, extent.LengthBytes));
        await node.WriteZeroesAsync(0, 5L << 30, WriteFlags.MayUnmap, default);
        await node.DiscardAsync(0, 5L << 30, default);
        Assert.Equal(1L << 30, (await node.GetExtentAsync(0, 1L << 40, default)).LengthBytes);
    }

    [Fact]
    public async Task A_lost_connection_is_made_again_and_requests_are_asked_again()
    {
        MemoryNode memory = new(LengthBytes);
        memory.Write(0, [7]);
        NbdPair first = NbdPair.Of(memory);
        string socket = first.Socket;
        await using BlockNode impatient = await first.ConnectAsync();
        await using BlockNode patient = await NbdNode.OpenAsync(first.Client() with { ReconnectDelay = TimeSpan.FromSeconds(60) }, default);
        await first.DisposeAsync();
        await Assert.ThrowsAsync<BlockIoException>(async () => await Read(impatient, 0, 1));
        Task<byte[]> read = Read(patient, 0, 1);
        Assert.False(read.IsCompleted);
        System.IO.Directory.CreateDirectory(System.IO.Path.GetDirectoryName(socket)!);
        using CancellationTokenSource end = new();
        Host.Sockets.StreamListener listener = Host.Sockets.StreamListener.OnUnix(socket);
        Task serving = new NbdServer([new NbdExport { Name = "", Node = memory }], new NbdServerOptions()).RunAsync(listener, null, end.Token);
        Assert.Equal([7], await read);
        await patient.DisposeAsync();
        await end.CancelAsync();
        await serving;
        listener.Dispose();
        System.IO.Directory.Delete(System.IO.Path.GetDirectoryName(socket)!, recursive: true);
    }

    [Theory]
    [InlineData("nbd://host", "nbd://host:10809")]
    [InlineData("nbd://host:99/a%20b", "nbd://host:99/a b")]
    [InlineData("nbd://[::1]:5/x", "nbd://[::1]:5/x")]
    [InlineData("nbds://h/x", "nbds://h:10809/x")]
    [InlineData("nbd+unix:///x?socket=/run/s", "nbd+unix:///x?socket=/run/s")]
    [InlineData("nbd+unix://?socket=/run/s", "nbd+unix://?socket=/run/s")]
    [InlineData("nbd:unix:/run/s:exportname=x:y", "nbd+unix:///x:y?socket=/run/s")]
    [InlineData("nbd:localhost:77", "nbd://localhost:77")]
    public void Addresses_are_read(string name, string canonical) => Assert.Equal(canonical, NbdAddress.Parse(name).ToString());

    [Theory]
    [InlineData("nbd://host:0")]
    [InlineData("nbd://host:65536")]
    [InlineData("nbd+unix://host/x?socket=/s")]
    [InlineData("nbd+unix:///x")]
    [InlineData("nbd:host")]
    [InlineData("ftp://host")]
    public void Addresses_that_make_no_sense_are_refused(string name) => Assert.Throws<ImageException>(() => NbdAddress.Parse(name));

    /// <summary>A client that takes its server with it.</summary>
    private sealed class ConnectedNode : FilterNode
    {
        private readonly NbdPair _pair;

        private ConnectedNode(NbdPair pair, BlockNode node) : base(node) => _pair = pair;

        internal static ConnectedNode Over(BlockNode node)
        {
            NbdPair pair = NbdPair.Of(node);
            return new ConnectedNode(pair, pair.ConnectAsync().GetAwaiter().GetResult());
        }

        public override async ValueTask DisposeAsync()
        {
            await base.DisposeAsync();
            await _pair.DisposeAsync();
        }
    }
}
