using Hutch.Host.Files;
using Hutch.Net;

namespace Hutch.Vmm.Build;

/// <summary>The back end of a network card, with the card's address: it is given back with the card.</summary>
internal sealed class ClaimedBackend(INetBackend inner, LockFile claim) : INetBackend
{
    /// <inheritdoc/>
    public string Description => inner.Description;

    /// <inheritdoc/>
    public int MostQueues => inner.MostQueues;

    /// <inheritdoc/>
    public int MtuBytes => inner.MtuBytes;

    /// <inheritdoc/>
    public NetOffloads Offloads => inner.Offloads;

    /// <inheritdoc/>
    public INetQueue OpenQueue(int index, INetBuffers buffers) => inner.OpenQueue(index, buffers);

    /// <inheritdoc/>
    public void Configure(NetOffloads used, int queues) => inner.Configure(used, queues);

    /// <inheritdoc/>
    public void Dispose()
    {
        inner.Dispose();
        claim.Dispose();
    }
}
