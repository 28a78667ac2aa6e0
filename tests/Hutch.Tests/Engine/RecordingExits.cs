using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Threading;
using Hutch.Core.Engine;

namespace Hutch.Tests.Engine;

/// <summary>Notes what a guest does. Reads give what the test has put there, or ones.</summary>
internal sealed class RecordingExits(EngineMachine machine) : IVcpuExits, IDisposable
{
    private readonly ManualResetEventSlim _reached = new();

    /// <summary>Writes to ports and to memory that is none, in order: address, value, length in bytes.</summary>
    internal ConcurrentQueue<(ulong Address, ulong Value, int Length)> Writes { get; } = new();

    /// <summary>Vectors of ended level-triggered interrupts.</summary>
    internal ConcurrentQueue<byte> Ended { get; } = new();

    /// <summary>What reads of an address give.</summary>
    internal Dictionary<ulong, ulong> Answers { get; } = [];

    /// <summary>Called for every port write but the last.</summary>
    internal Action<ushort, uint>? OnPort { get; set; }

    /// <summary>Called for every read.</summary>
    internal Action? OnRead { get; set; }

    /// <summary>Called for every ended interrupt.</summary>
    internal Action<byte>? OnEnd { get; set; }

    /// <summary>The PIC's answer.</summary>
    internal Func<int>? OnAcknowledge { get; set; }

    /// <summary>What was written to the end port.</summary>
    internal uint Result { get; private set; }

    /// <summary>Waits until the guest has written to a port other than the end port; see <see cref="OnPort"/>.</summary>
    internal bool WaitForPort() => _reached.Wait(30_000);

    /// <summary>Lets <see cref="WaitForPort"/> wait for another one.</summary>
    internal void ForgetPort() => _reached.Reset();

    public void ReadPort(ushort port, Span<byte> data) => Answer(port, data);

    public void WritePort(ushort port, ReadOnlySpan<byte> data)
    {
        uint value = (uint)ToNumber(data);
        if (port == EngineMachine.EndPort)
        {
            Result = value;
            foreach (IVcpu vcpu in machine.Machine.Vcpus) vcpu.RequestStop();
            return;
        }
        Writes.Enqueue((port, value, data.Length));
        OnPort?.Invoke(port, value);
        _reached.Set();
    }

    public void ReadMmio(ulong address, Span<byte> data) => Answer(address, data);

    public void WriteMmio(ulong address, ReadOnlySpan<byte> data) => Writes.Enqueue((address, ToNumber(data), data.Length));

    public void EndOfInterrupt(byte vector)
    {
        Ended.Enqueue(vector);
        OnEnd?.Invoke(vector);
    }

    public int AcknowledgeExternalInterrupt() => OnAcknowledge?.Invoke() ?? -1;

    public void Dispose() => _reached.Dispose();

    private void Answer(ulong address, Span<byte> data)
    {
        OnRead?.Invoke();
        ulong value = Answers.GetValueOrDefault(address, ulong.MaxValue);
        for (int i = 0; i < data.Length; i++) data[i] = (byte)(value >> (8 * i));
    }

    private static ulong ToNumber(ReadOnlySpan<byte> data)
    {
        ulong value = 0;
        for (int i = 0; i < data.Length; i++) value |= (ulong)data[i] << (8 * i);
        return value;
    }
}
