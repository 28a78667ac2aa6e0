using System;
using System.Collections.Generic;
using System.Text;
using Hutch.Host.Events;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>A character channel whose other end is the test.</summary>
internal sealed class LoopChannel : ICharacterChannel
{
    private readonly List<byte> _output = [];
    private ReceiveBytes? _receive;

    internal int Resumes { get; private set; }

    internal bool IsDisposed { get; private set; }

    internal string Output { get { lock (_output) return Encoding.ASCII.GetString([.. _output]); } }

    internal int Type(ReadOnlySpan<byte> data) => _receive!(data);

    public void Write(ReadOnlySpan<byte> data)
    {
        lock (_output)
            foreach (byte b in data) if (_output.Count < 1 << 20) _output.Add(b);
    }

    public void StartInput(ReceiveBytes receive) => _receive = receive;

    public void ResumeInput() => Resumes++;

    public void Dispose() => IsDisposed = true;
}
