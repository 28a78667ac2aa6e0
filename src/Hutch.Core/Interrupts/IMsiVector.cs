using System;
using Hutch.Host.Events;

namespace Hutch.Core.Interrupts;

/// <summary>
/// A message-signalled interrupt that an event raises, so that another process or the kernel can interrupt the guest without us.
/// Disposing ends that; the event is the vector's.
/// </summary>
public interface IMsiVector : IDisposable
{
    /// <summary>Each signal delivers the message. While there is none, signals gather in its count: <see cref="EventFd.Drain"/> tells of them.</summary>
    EventFd Event { get; }

    /// <summary>Sets the message; null masks the vector. Any thread, one at a time.</summary>
    void SetMessage(MsiMessage? message);
}
