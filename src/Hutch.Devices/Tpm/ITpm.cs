using System;
using System.Collections.Generic;

namespace Hutch.Devices.Tpm;

/// <summary>
/// A TPM 2.0 of the host's that carries out the commands of a guest, one after another. What goes wrong with it is in <see cref="Trouble"/>, after which nothing works any
/// more. Used by one thread at a time; the properties by any.
/// </summary>
public interface ITpm : IDisposable
{
    /// <summary>A dynamic launch has taken place, which the TPM remembers.</summary>
    bool IsEstablished { get; }

    /// <summary>For <see cref="Host.Events.PollSet"/>: something can be read when a response comes.</summary>
    int Descriptor { get; }

    /// <summary>Why it does not work any more, without a full stop; null: it works.</summary>
    string? Trouble { get; }

    /// <summary>Switches it off and on, as a platform reset does. What it was doing is dropped. False: there is trouble.</summary>
    bool Start();

    /// <summary>Gives it a command. False: there is trouble.</summary>
    /// <param name="command">A whole command, by the length in its header.</param>
    bool Send(ReadOnlySpan<byte> command);

    /// <summary>Takes the response to the command: its length, -1 when it has not come yet, 0 when there is trouble.</summary>
    /// <param name="response">Where to, the same until the response is whole.</param>
    /// <param name="patienceMs">How long to wait in milliseconds.</param>
    int Receive(Span<byte> response, int patienceMs);

    /// <summary>Asks it to give up the command that it carries out. It may end it all the same.</summary>
    void Cancel();

    /// <summary>Its whole state, in parts whose order <see cref="Restore"/> knows, between two commands; null where it cannot be had.</summary>
    /// <param name="why">Why not, without a full stop.</param>
    IReadOnlyList<TpmBlob>? Save(out string why);

    /// <summary>Puts a state back and goes on from there. False: there is trouble.</summary>
    bool Restore(IReadOnlyList<TpmBlob> state);
}

/// <summary>A part of a TPM's state, which nobody but the TPM reads.</summary>
/// <param name="Flags">What the TPM says of it.</param>
/// <param name="Bytes">Its bytes, <see cref="MostBytes"/> at most; none: there is no such part.</param>
public sealed record TpmBlob(uint Flags, byte[] Bytes)
{
    /// <summary>The most bytes of a part.</summary>
    public const int MostBytes = 1 << 20;
}
