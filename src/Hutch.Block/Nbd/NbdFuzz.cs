using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Block.Simulation;

namespace Hutch.Block.Nbd;

/// <summary>Entries for fuzzing: each takes what the other side would send. They return whatever the input is, or throw for a defect of ours.</summary>
internal static class NbdFuzz
{
    private const int ExportBytes = 1 << 20;

    /// <summary>A client sends this to a server.</summary>
    internal static async Task ServerAsync(byte[] input)
    {
        await using MemoryNode node = new(ExportBytes, grows: false);
        NbdExport[] exports = [new() { Name = "", Node = node, ShowsAllocationDepth = true }, new() { Name = "read", Node = node, ReadOnly = true, Description = "to read" }];
        await new NbdServer(exports, new NbdServerOptions()).ServeAsync(new ScriptedStream(input), CancellationToken.None).ConfigureAwait(false);
    }

    /// <summary>A server sends this to a client, during the handshake.</summary>
    internal static async Task HandshakeAsync(byte[] input)
    {
        NbdClientOptions options = new() { Address = NbdAddress.Parse("nbd://host/export") };
        try
        {
            _ = await NbdClientHandshake.RunAsync(new ScriptedStream(input), options, CancellationToken.None).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // Refused, as it should be.
        }
    }

    /// <summary>A server sends this to a client that has asked for a read and for block status.</summary>
    internal static async Task RepliesAsync(byte[] input)
    {
        NbdExportInfo info = new() { LengthBytes = ExportBytes, Flags = NbdExportFlags.HasFlags, HasStructuredReplies = input.Length % 4 != 0, ContextId = 0 };
        await using NbdSession session = NbdSession.Over(new ScriptedStream(input, writesFirst: 2), info);
        using Host.Files.NativeBuffer memory = new(4096);
        NbdRequest read = new() { Command = NbdCommand.Read, Offset = 4096, LengthBytes = 4096, Memory = new IoVector(new[] { memory.Segment(0, 4096) }) };
        NbdRequest status = new() { Command = NbdCommand.BlockStatus, Offset = 0, LengthBytes = ExportBytes };
        try
        {
            await Task.WhenAll(session.RunAsync(read), session.RunAsync(status)).ConfigureAwait(false);
        }
        catch (NbdException)
        {
            // The session ended, as it should.
        }
    }

    /// <summary>A name of an export.</summary>
    internal static void Address(string name)
    {
        try
        {
            NbdAddress address = NbdAddress.Parse(name);
            _ = address.ToString();
        }
        catch (Formats.ImageException)
        {
            // Refused.
        }
    }

    /// <summary>Says what it is told to and does not listen, but may wait for so many messages before.</summary>
    private sealed class ScriptedStream(byte[] script, int writesFirst = 0) : Stream
    {
        private readonly TaskCompletionSource _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private int _at, _writes;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush() { }

        public override int Read(byte[] buffer, int offset, int count)
        {
            count = Math.Min(count, script.Length - _at);
            Array.Copy(script, _at, buffer, offset, count);
            _at += count;
            return count;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (writesFirst != 0) await _heard.Task.ConfigureAwait(false);
            int count = Math.Min(buffer.Length, script.Length - _at);
            script.AsMemory(_at, count).CopyTo(buffer);
            _at += count;
            return count;
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) { }

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (Interlocked.Increment(ref _writes) == writesFirst) _heard.SetResult();
            return default;
        }
    }
}
