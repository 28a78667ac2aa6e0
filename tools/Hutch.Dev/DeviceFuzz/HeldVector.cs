using Hutch.Core.Interrupts;
using Hutch.Host.Events;

namespace Hutch.Dev.DeviceFuzz;

/// <summary>A vector whose message is looked at and never sent.</summary>
internal sealed class HeldVector : IMsiVector
{
    /// <inheritdoc/>
    public EventFd Event { get; } = EventFd.Create("A vector");

    /// <summary>The message that it has now.</summary>
    internal MsiMessage? Message { get; private set; }

    /// <summary>It is no more.</summary>
    internal bool IsDisposed { get; private set; }

    /// <inheritdoc/>
    public void SetMessage(MsiMessage? message) => Message = message;

    /// <inheritdoc/>
    public void Dispose()
    {
        IsDisposed = true;
        Event.Dispose();
    }
}
