using System;
using Hutch.Core.Engine;

namespace Hutch.Devices.Virtio.Transport;

/// <summary>
/// The doorbells of a device's queues where the engine takes them without us. They follow the register BAR; a doorbell that the engine refuses
/// arrives as an access. Under the bus's configuration lock.
/// </summary>
internal sealed class Doorbells(IDoorbellRegistry registry, VirtioDevice device)
{
    private readonly IDisposable?[] _connected = new IDisposable?[device.Queues.Length];

    /// <summary>The registers are at this address now, or nowhere.</summary>
    internal void Place(ulong? address)
    {
        Disconnect();
        if (address is not ulong first) return;
        for (int queue = 0; queue < _connected.Length; queue++)
            _connected[queue] = registry.Connect(first + ((ulong)queue * VirtioPciRegisters.NotifyMultiplier), device.Doorbell(queue));
    }

    /// <summary>Stores arrive as accesses again.</summary>
    internal void Disconnect()
    {
        foreach (IDisposable? doorbell in _connected) doorbell?.Dispose();
        Array.Clear(_connected);
    }
}
