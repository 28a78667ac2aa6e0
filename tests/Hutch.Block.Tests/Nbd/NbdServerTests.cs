using System;
using System.Buffers.Binary;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Hutch.Block.Filters;
using Hutch.Block.Graph;
using Hutch.Block.Nbd;
using Hutch.Block.Simulation;
using Hutch.Host.Sockets;
using Xunit;

namespace Hutch.Block.Tests.Nbd;

/// <summary>What clients that do not keep to the rules get.</summary>
public sealed class NbdServerTests
{
    private const int LengthBytes = 1 << 20;

    [Fact]
    public async Task A_client_that_says_nothing_loses_its_place()
    {
        await using NbdPair pair = new(new NbdServerOptions { MostClients = 1, HandshakeTimeout = TimeSpan.FromMilliseconds(200) }, new NbdExport { Name = "", Node = new MemoryNode(LengthBytes) });
        await using Stream silent = await StreamSocket.ConnectUnixAsync(pair.Socket, default);
        byte[] rest = new byte[100];
        Assert.Equal(18, await silent.ReadAtLeastAsync(rest, 18));
        // The second is turned away while the first has the only place.
        await using Stream second = await StreamSocket.ConnectUnixAsync(pair.Socket, default);
        Assert.Equal(0, await second.ReadAsync(rest));
        Assert.Equal(0, await silent.ReadAsync(rest));
        await using BlockNode node = await ConnectPatiently(pair);
        Assert.Equal(LengthBytes, node.LengthBytes);
    }

    [Fact]
    public async Task A_client_that_does_not_read_holds_up_nobody()
    {
        MemoryNode memory = new(64 << 20);
        memory.Write(0, Enumerable.Repeat((byte)1, 64 << 20).ToArray());
        await using NbdPair pair = NbdPair.Of(memory);
        await using Stream lazy = await GreetAsync(pair);
        byte[] request = Request(NbdCommand.Read, 0, 32 << 20);
        for (int i = 0; i < 100; i++)
        {
            // The server stops to read when it owes this client enough.
            Task write = lazy.WriteAsync(request).AsTask();
            if (!write.IsCompleted) break;
        }
        await using (BlockNode node = await pair.ConnectAsync()) Assert.Equal([1], await BlockNodeContract.Read(node, 5, 1));
    }

    [Fact]
    public async Task Requests_that_are_wrong_get_errors_and_the_next_is_served()
    {
        await using NbdPair pair = NbdPair.Of(new MemoryNode(LengthBytes, grows: false));
        await using Stream client = await GreetAsync(pair);
        Assert.Equal(NbdErrors.Invalid, await AskAsync(client, Request(NbdCommand.Read, LengthBytes - 1, 2)));
        Assert.Equal(NbdErrors.Invalid, await AskAsync(client, Request(NbdCommand.Read, ulong.MaxValue, 2)));
        Assert.Equal(NbdErrors.Invalid, await AskAsync(client, Request(NbdCommand.Read, 0, uint.MaxValue)));
        Assert.Equal(NbdErrors.Invalid, await AskAsync(client, Request((NbdCommand)77, 0, 1)));
        Assert.Equal(NbdErrors.Invalid, await AskAsync(client, Request(NbdCommand.Flush, 0, 0, (NbdCommandFlags)0x8000)));
        Assert.Equal(NbdErrors.Invalid, await AskAsync(client, Request(NbdCommand.BlockStatus, 0, 512)));
        Assert.Equal(NbdErrors.NoSpace, await AskAsync(client, [.. Request(NbdCommand.Write, LengthBytes, 600), .. new byte[600]]));
        Assert.Equal(NbdErrors.NoSpace, await AskAsync(client, Request(NbdCommand.WriteZeroes, 1, LengthBytes)));
        Assert.Equal(0, await AskAsync(client, Request(NbdCommand.Flush, 0, 0)));
        Assert.Equal(0, await AskAsync(client, Request(NbdCommand.WriteZeroes, 0, LengthBytes)));
        Assert.Equal(0, await AskAsync(client, Request(NbdCommand.Trim, 0, 0, NbdCommandFlags.Fua)));
        Assert.Equal(0, await AskAsync(client, Request(NbdCommand.Cache, 0, 512)));
    }

    [Fact]
    public async Task A_write_that_is_too_long_and_bytes_that_are_no_request_end_the_connection()
    {
        await using NbdPair pair = NbdPair.Of(new MemoryNode(LengthBytes));
        foreach (byte[] bad in (byte[][])[Request(NbdCommand.Write, 0, (32 << 20) + 1), new byte[28]])
        {
            await using Stream client = await GreetAsync(pair);
            await client.WriteAsync(bad);
            Assert.Equal(0, await client.ReadAsync(new byte[1]));
        }
        await using BlockNode node = await pair.ConnectAsync();
    }

    [Fact]
    public async Task Writes_to_a_read_only_export_are_refused_and_their_data_is_skipped()
    {
        MemoryNode memory = new(LengthBytes);
        await using NbdPair pair = NbdPair.Of(memory, readOnly: true);
        await using Stream client = await GreetAsync(pair);
        Assert.Equal(NbdErrors.Permission, await AskAsync(client, [.. Request(NbdCommand.Write, 0, 4), 1, 2, 3, 4]));
        Assert.Equal(NbdErrors.Permission, await AskAsync(client, Request(NbdCommand.Trim, 0, 4)));
        Assert.Equal(0, await AskAsync(client, Request(NbdCommand.Flush, 0, 0)));
        Assert.Equal(new byte[4], await BlockNodeContract.Read(memory, 0, 4));
    }

    [Fact]
    public async Task Requests_that_were_begun_are_finished_before_the_server_ends()
    {
        FaultNode slow = new(new MemoryNode(LengthBytes));
        TaskCompletionSource begun = new(), go = new();
        slow.Add(new FaultRule
        {
            Operations = FaultOperations.Write,
            Errno = 0,
            Before = () =>
            {
                begun.SetResult();
                return new ValueTask(go.Task);
            },
        });
        NbdPair pair = NbdPair.Of(slow);
        await using Stream client = await GreetAsync(pair);
        await client.WriteAsync((byte[])[.. Request(NbdCommand.Write, 0, 4), 1, 2, 3, 4]);
        await begun.Task;
        Task end = pair.DisposeAsync().AsTask();
        Assert.False(end.IsCompleted);
        go.SetResult();
        await end;
        Assert.Equal([1, 2, 3, 4], await BlockNodeContract.Read(slow, 0, 4));
    }

    // A client that selects the export by its name alone: no structured replies.
    private static async Task<Stream> GreetAsync(NbdPair pair)
    {
        Stream stream = await StreamSocket.ConnectUnixAsync(pair.Socket, default);
        await stream.ReadExactlyAsync(new byte[18]);
        byte[] answer = new byte[4 + 16];
        BinaryPrimitives.WriteUInt32BigEndian(answer, NbdProtocol.FixedNewstyle | NbdProtocol.NoZeroes);
        BinaryPrimitives.WriteUInt64BigEndian(answer.AsSpan(4), NbdProtocol.OptionMagic);
        BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(12), (uint)NbdOption.ExportName);
        await stream.WriteAsync(answer);
        await stream.ReadExactlyAsync(new byte[10]);
        return stream;
    }

    private static byte[] Request(NbdCommand command, ulong offset, uint length, NbdCommandFlags flags = NbdCommandFlags.None)
    {
        byte[] request = new byte[NbdProtocol.RequestBytes];
        BinaryPrimitives.WriteUInt32BigEndian(request, NbdProtocol.RequestMagic);
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(4), (ushort)flags);
        BinaryPrimitives.WriteUInt16BigEndian(request.AsSpan(6), (ushort)command);
        BinaryPrimitives.WriteUInt64BigEndian(request.AsSpan(8), 0x1122334455667788);
        BinaryPrimitives.WriteUInt64BigEndian(request.AsSpan(16), offset);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(24), length);
        return request;
    }

    private static async Task<int> AskAsync(Stream client, byte[] request)
    {
        await client.WriteAsync(request);
        byte[] reply = new byte[NbdProtocol.SimpleReplyBytes];
        await client.ReadExactlyAsync(reply);
        Assert.Equal(NbdProtocol.SimpleReplyMagic, BinaryPrimitives.ReadUInt32BigEndian(reply));
        Assert.Equal(0x1122334455667788u, BinaryPrimitives.ReadUInt64BigEndian(reply.AsSpan(8)));
        return (int)BinaryPrimitives.ReadUInt32BigEndian(reply.AsSpan(4));
    }

    // The server notices that a client has gone a moment later.
    private static async Task<BlockNode> ConnectPatiently(NbdPair pair)
    {
        while (true)
        {
            try
            {
                return await pair.ConnectAsync();
            }
            catch (DiskOpenException)
            {
                await Task.Yield();
            }
        }
    }
}
