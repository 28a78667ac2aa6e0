using System;
using System.Collections.Generic;
using Hutch.Host.Sockets;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>Sockets whose other ends are the test's. They have nothing to wait for, so that a test rings a doorbell after it changed one.</summary>
internal sealed class FakeStreams : ILocalStreams
{
    private readonly Dictionary<string, FakeListener> _listeners = [];

    /// <summary>Paths that somebody listens on besides, and the connections that were made to them.</summary>
    internal Dictionary<string, List<FakeStream>> Answering { get; } = [];

    internal FakeListener At(string path) => _listeners[path];

    internal bool IsListening(string path) => _listeners.TryGetValue(path, out FakeListener? listener) && !listener.IsDisposed;

    public ILocalStreamListener Listen(string path) => _listeners[path] = new FakeListener();

    public ILocalStream? TryConnect(string path)
    {
        lock (Answering)
        {
            if (!Answering.TryGetValue(path, out List<FakeStream>? made)) return null;
            FakeStream stream = new();
            made.Add(stream);
            return stream;
        }
    }
}

internal sealed class FakeListener : ILocalStreamListener
{
    private readonly Queue<FakeStream> _waiting = [];

    internal bool IsDisposed { get; private set; }

    public int Descriptor => -1;

    internal FakeStream Connect()
    {
        FakeStream stream = new();
        lock (_waiting) _waiting.Enqueue(stream);
        return stream;
    }

    public ILocalStream? TryAccept()
    {
        lock (_waiting) return _waiting.TryDequeue(out FakeStream? stream) ? stream : null;
    }

    public void Dispose() => IsDisposed = true;
}

/// <summary>One connection. The test says, hears and leaves; it may have little room.</summary>
internal sealed class FakeStream : ILocalStream
{
    private readonly Queue<byte> _said = [];
    private readonly List<byte> _heard = [];
    private int _room = int.MaxValue;
    private bool _left, _ended, _disposed, _saysNoMore;

    public int Descriptor => -1;

    public bool IsPeerGone { get { lock (_said) return _left; } }

    internal byte[] Heard { get { lock (_said) return [.. _heard]; } }

    internal bool IsEnded { get { lock (_said) return _ended; } }

    internal bool IsDisposed { get { lock (_said) return _disposed; } }

    /// <summary>Bytes that it has room for.</summary>
    internal int Room
    {
        set { lock (_said) _room = value; }
    }

    internal void Say(ReadOnlySpan<byte> bytes)
    {
        lock (_said)
            foreach (byte one in bytes) _said.Enqueue(one);
    }

    internal void Leave()
    {
        lock (_said) _left = _saysNoMore = true;
    }

    internal void SayNoMore()
    {
        lock (_said) _saysNoMore = true;
    }

    public int Receive(Span<byte> destination)
    {
        lock (_said)
        {
            int count = Math.Min(destination.Length, _said.Count);
            for (int i = 0; i < count; i++) destination[i] = _said.Dequeue();
            return count != 0 ? count : _saysNoMore ? 0 : -1;
        }
    }

    public int Send(ReadOnlySpan<byte> source)
    {
        lock (_said)
        {
            if (_left) return -1;
            int count = Math.Min(source.Length, _room);
            _heard.AddRange(source[..count]);
            _room -= count;
            return count;
        }
    }

    public int Send(ReadOnlySpan<byte> source, ReadOnlySpan<int> descriptors) => Send(source);

    public bool WaitToReceive(int timeoutMs) => true;

    public void EndSending()
    {
        lock (_said) _ended = true;
    }

    public void Dispose()
    {
        lock (_said) _disposed = true;
    }
}
