using System;

namespace Hutch.Host.Events;

/// <summary>A two-way byte stream behind a serial port or console: standard input and output, a file, a socket, nothing.</summary>
public interface ICharacterChannel : IDisposable
{
    /// <summary>Sends bytes out. May block briefly; never throws (a broken peer drops the bytes).</summary>
    void Write(ReadOnlySpan<byte> data);

    /// <summary>
    /// Starts delivering input. <paramref name="receive"/> runs on the channel's thread and returns how many of the bytes it took; the channel keeps
    /// the rest and offers it again after <see cref="ResumeInput"/> (or a short pause), so that a slow guest loses nothing.
    /// </summary>
    void StartInput(ReceiveBytes receive);

    /// <summary>The device has room again. Any thread; cheap when nothing waits.</summary>
    void ResumeInput();
}

/// <summary>Takes input bytes; returns how many were taken, 0 to <c>data.Length</c>.</summary>
public delegate int ReceiveBytes(ReadOnlySpan<byte> data);
