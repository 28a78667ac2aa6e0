using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Threading;
using Hutch.Devices.Tpm;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A TPM whose responses are of any length and come when they like. Its state is how many commands it had.</summary>
internal sealed class FuzzTpm(int seed, FuzzReach reach) : ITpm
{
    private const int HeaderBytes = 10;

    private readonly Random _random = new(seed);
    private readonly Lock _lock = new();
    private uint _commands;

    /// <inheritdoc/>
    public bool IsEstablished => false;

    /// <inheritdoc/>
    public int Descriptor => -1;

    /// <inheritdoc/>
    public string? Trouble => null;

    /// <inheritdoc/>
    public bool Start() => true;

    /// <inheritdoc/>
    public bool Send(ReadOnlySpan<byte> command)
    {
        reach.Out();
        if (command.Length < HeaderBytes || BinaryPrimitives.ReadUInt32BigEndian(command[2..]) != command.Length) throw new FuzzDefect($"The TPM got a command of {command.Length} bytes whose header says something else");
        lock (_lock) _commands++;
        return true;
    }

    /// <inheritdoc/>
    public int Receive(Span<byte> response, int patienceMs)
    {
        lock (_lock)
        {
            if (patienceMs == 0 && _random.Next(3) == 0) return -1;
            reach.In();
            int length = _random.Next(HeaderBytes, response.Length + 1);
            _random.NextBytes(response[..length]);
            return length;
        }
    }

    /// <inheritdoc/>
    public void Cancel() { }

    /// <inheritdoc/>
    public IReadOnlyList<TpmBlob>? Save(out string why)
    {
        why = "";
        lock (_lock) return [new TpmBlob(_commands, [1, 2, 3]), new TpmBlob(0, BitConverter.GetBytes(_commands)), new TpmBlob(0, [])];
    }

    /// <inheritdoc/>
    public bool Restore(IReadOnlyList<TpmBlob> state)
    {
        lock (_lock) _commands = state[0].Flags;
        return true;
    }

    /// <inheritdoc/>
    public void Dispose() { }
}
