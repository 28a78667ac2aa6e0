using System;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

namespace Hutch.Dev.RpcFuzz;

/// <summary>A peer that has sent all it will send, and keeps what it is sent.</summary>
internal sealed class FuzzStream(byte[] sent) : Stream
{
    private readonly MemoryStream _sent = new(sent), _received = new();

    internal ReadOnlySpan<byte> Received => _received.GetBuffer().AsSpan(0, (int)_received.Length);

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => _sent.Read(buffer, offset, count);

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => ValueTask.FromResult(_sent.Read(buffer.Span));

    public override void Write(byte[] buffer, int offset, int count) => _received.Write(buffer, offset, count);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        _received.Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
