using System;
using System.Threading.Tasks;
using Hutch.Dev.DeviceFuzz;
using Xunit;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>What a back end does in its turn.</summary>
internal static class BackEndTurns
{
    /// <summary>Waits for the next chain and takes it. The limit only ends a test that has failed.</summary>
    internal static ushort Take(VhostPeer peer, int queue)
    {
        ushort head;
        while (!peer.TryTake(queue, out head)) Assert.True(Task.Run(peer.Rings[queue].WaitForKick).Wait(TimeSpan.FromSeconds(20)), "The back end was not woken.");
        return head;
    }
}
