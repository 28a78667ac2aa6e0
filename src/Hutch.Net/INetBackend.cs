using System;

namespace Hutch.Net;

/// <summary>
/// Where the frames of one network card go to and come from. The card opens its queues once; a queue is used by one thread at a time, each by another
/// perhaps. Everything but the queues is called while no queue is in use.
/// </summary>
public interface INetBackend : IDisposable
{
    /// <summary>What it is, for messages: <c>the user network 10.0.2.0/24</c>.</summary>
    string Description { get; }

    /// <summary>The most queues that can be opened, at least 1.</summary>
    int MostQueues { get; }

    /// <summary>The longest IP packet in bytes that passes in both directions; 0 where the back end does not know.</summary>
    int MtuBytes { get; }

    /// <summary>What it takes over from the guest, and what it may leave to it.</summary>
    NetOffloads Offloads { get; }

    /// <summary>Opens the queue of a number below <see cref="MostQueues"/>, once. The back end closes it.</summary>
    /// <param name="index">The queue's number.</param>
    /// <param name="buffers">Takes frames, during the queue's calls only.</param>
    INetQueue OpenQueue(int index, INetBuffers buffers);

    /// <summary>
    /// The driver's choice: which of <see cref="Offloads"/> it uses, and how many queues. Before the first frame of a driver, and whenever the number changes.
    /// </summary>
    void Configure(NetOffloads used, int queues);
}
