using System;
using System.Collections.Generic;
using System.Threading;
using Hutch.Devices.Tpm;
using Hutch.Host.Events;

namespace Hutch.Tests.Devices.Tpm;

/// <summary>A TPM whose responses are the test's.</summary>
internal sealed class FakeTpm : ITpm
{
    private readonly Lock _lock = new();
    private readonly EventFd _ready = EventFd.Create("A test's TPM");
    private readonly SemaphoreSlim _came = new(0), _cancelled = new(0);
    private byte[]? _response;
    private volatile string? _trouble;

    internal List<byte[]> Commands { get; } = [];

    internal int Starts { get; private set; }

    internal IReadOnlyList<TpmBlob>? Restored { get; private set; }

    internal bool IsDisposed { get; private set; }

    internal bool RefusesState { get; init; }

    public bool IsEstablished { get; init; }

    public int Descriptor => _ready.Descriptor;

    public string? Trouble => _trouble;

    public bool Start()
    {
        Starts++;
        _response = null;
        return Trouble is null;
    }

    public bool Send(ReadOnlySpan<byte> command)
    {
        lock (_lock) Commands.Add(command.ToArray());
        _came.Release();
        return Trouble is null;
    }

    public int Receive(Span<byte> response, int patienceMs)
    {
        if (patienceMs != 0) _ready.WaitForCount(patienceMs);
        lock (_lock)
        {
            _ready.Drain();
            if (Trouble is not null) return 0;
            if (_response is null) return -1;
            _response.CopyTo(response);
            int length = _response.Length;
            _response = null;
            return length;
        }
    }

    public void Cancel() => _cancelled.Release();

    public IReadOnlyList<TpmBlob>? Save(out string why)
    {
        why = Trouble ?? "it is a secret";
        return Trouble is not null || RefusesState ? null : [new TpmBlob(2, [1, 2]), new TpmBlob(0, [3]), new TpmBlob(0, [])];
    }

    public bool Restore(IReadOnlyList<TpmBlob> state)
    {
        Restored = state;
        return !RefusesState;
    }

    public void Dispose() => IsDisposed = true;

    /// <summary>Waits for the next command. The limit only ends a test that has failed.</summary>
    internal bool WaitForCommand() => _came.Wait(TimeSpan.FromSeconds(20));

    /// <inheritdoc cref="WaitForCommand"/>
    internal bool WaitForCancel() => _cancelled.Wait(TimeSpan.FromSeconds(20));

    /// <summary>Cancellations that nobody waited for.</summary>
    internal int Cancellations => _cancelled.CurrentCount;

    internal void Answer(params byte[] response)
    {
        lock (_lock) _response = response;
        _ready.Signal();
    }

    internal void Break(string trouble)
    {
        _trouble = trouble;
        _ready.Signal();
    }
}
