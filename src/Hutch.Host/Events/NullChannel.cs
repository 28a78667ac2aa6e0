using System;

namespace Hutch.Host.Events;

/// <summary>A channel to nowhere.</summary>
public sealed class NullChannel : ICharacterChannel
{
    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data) { }

    /// <inheritdoc/>
    public void StartInput(ReceiveBytes receive) { }

    /// <inheritdoc/>
    public void ResumeInput() { }

    /// <inheritdoc/>
    public void Dispose() { }
}
