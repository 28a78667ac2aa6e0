using System;

namespace Hutch.Net.Filters;

/// <summary>A back end with something between it and the card.</summary>
/// <param name="inner">The back end, owned.</param>
/// <param name="filter">Makes the filter's queue of the card's buffers and the function that opens the inner queue.</param>
/// <param name="owned">Closed after the back end.</param>
internal sealed class FilteredBackend(INetBackend inner, Func<INetBuffers, Func<INetBuffers, INetQueue>, INetQueue> filter, IDisposable? owned = null) : INetBackend
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
    public INetQueue OpenQueue(int index, INetBuffers buffers) => filter(buffers, between => inner.OpenQueue(index, between));

    /// <inheritdoc/>
    public void Configure(NetOffloads used, int queues) => inner.Configure(used, queues);

    /// <inheritdoc/>
    public void Dispose()
    {
        inner.Dispose();
        owned?.Dispose();
    }
}
