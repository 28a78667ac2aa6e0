using System;
using Hutch.Host.Events;
using Hutch.Host.Files;

namespace Hutch.Net;

/// <summary>
/// One queue of a back end, used by one thread at a time: <c>Wait -> Receive, Transmit … -> Wait</c>. The thread that serves the card's queue sleeps in
/// <see cref="Wait"/>, so that no other thread has to wake it when a frame arrives. Nothing here throws for what a guest or a network sends, and nothing
/// allocates in the long run.
/// </summary>
public interface INetQueue
{
    /// <summary>Sends one Ethernet frame. Memory that a guest can change meanwhile is read once.</summary>
    /// <param name="offload">What is left to do with it: only what the driver was offered, and sound (<see cref="PacketOffload.IsSound"/>).</param>
    /// <param name="frame">The frame's bytes, 14 to 65,553 of them, valid during the call.</param>
    /// <returns>False: not now, and the frame is to be sent again when <see cref="Wait"/> has returned. A frame that cannot be sent at all is dropped.</returns>
    bool Transmit(in PacketOffload offload, ReadOnlySpan<IoSegment> frame);

    /// <summary>Gives frames that are there to the card's buffers, about <paramref name="most"/> at the most. Keeps a frame that the buffers refuse.</summary>
    /// <returns>True: more may be there at once.</returns>
    bool Receive(int most);

    /// <summary>Sleeps until the back end has something to do, until <paramref name="wake"/> has a count, or for some time.</summary>
    /// <param name="wake">Ends the sleep; its count stays.</param>
    /// <param name="wanted">What to wait for.</param>
    /// <param name="timeoutMs">At most so long, in milliseconds; -1: no limit.</param>
    void Wait(EventFd wake, NetWait wanted, int timeoutMs);
}

/// <summary>What a wait is for.</summary>
[Flags]
public enum NetWait
{
    /// <summary>Only to be woken.</summary>
    None = 0,

    /// <summary>Frames from the network. Without it the card has no room for any.</summary>
    Receive = 1,

    /// <summary>Room for a frame that was refused.</summary>
    Transmit = 2,
}

/// <summary>Where a queue puts frames for the guest. Called during the queue's own calls, on their thread.</summary>
public interface INetBuffers
{
    /// <summary>Copies one Ethernet frame to the guest. False, with nothing copied: there is no room now. A frame that can never fit is dropped, which is true.</summary>
    /// <param name="offload">What is left to do with it, or was done.</param>
    /// <param name="frame">The frame.</param>
    bool TryDeliver(in PacketOffload offload, ReadOnlySpan<byte> frame);
}
