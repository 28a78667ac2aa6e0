using System;
using Hutch.Host.Events;

namespace Hutch.Core.Engine;

/// <summary>Stores of the guest that signal an event and nothing else: the vCPU goes on at once, and no thread of it enters a device. Any thread.</summary>
public interface IDoorbellRegistry
{
    /// <summary>
    /// From now on a store of any width to <paramref name="address"/>, outside RAM, signals <paramref name="ring"/> and does not reach
    /// <see cref="IVcpuExits.WriteMmio"/>. Disposing the result ends that; the event must live until then. Null when it cannot be had: the stores
    /// then arrive as accesses.
    /// </summary>
    IDisposable? Connect(ulong address, EventFd ring);
}
