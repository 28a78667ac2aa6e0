using System;
using System.Text;
using System.Threading;
using Hutch.Host.Events;

namespace Hutch.Tests.Engine;

/// <summary>A character channel on whose other end a test waits for texts and types.</summary>
internal sealed class ScriptedChannel : ICharacterChannel
{
    private readonly object _gate = new();
    private readonly StringBuilder _output = new();
    private ReceiveBytes? _receive;
    private bool _ended;

    /// <summary>All that was sent so far.</summary>
    internal string Output { get { lock (_gate) return _output.ToString(); } }

    /// <summary>Waits until a text was sent; false when it was not and nothing more comes.</summary>
    internal bool WaitFor(string text)
    {
        lock (_gate)
        {
            while (!_ended && !_output.ToString().Contains(text, StringComparison.Ordinal)) Monitor.Wait(_gate);
            return _output.ToString().Contains(text, StringComparison.Ordinal);
        }
    }

    /// <summary>Types, as fast as it is taken.</summary>
    internal void Type(string text)
    {
        ReadOnlySpan<byte> left = Encoding.ASCII.GetBytes(text);
        while (left.Length > 0 && !Volatile.Read(ref _ended))
        {
            left = left[_receive!(left)..];
            Thread.Yield();
        }
    }

    /// <summary>Nothing more comes.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _ended = true;
            Monitor.PulseAll(_gate);
        }
    }

    public void Write(ReadOnlySpan<byte> data)
    {
        lock (_gate)
        {
            _output.Append(Encoding.ASCII.GetString(data));
            Monitor.PulseAll(_gate);
        }
    }

    public void StartInput(ReceiveBytes receive) => _receive = receive;

    public void ResumeInput() { }

    public void Dispose() { }
}
