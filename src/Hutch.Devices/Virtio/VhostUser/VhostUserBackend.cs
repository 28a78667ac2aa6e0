using System;
using Hutch.Host.Events;
using Hutch.Host.Memory;
using Hutch.Host.Sockets;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>
/// A program that serves a device's queues (QEMU docs/interop/vhost-user). It gets no memory of the guest's but a piece of its own, with rings of its own, into which requests are copied
/// and out of which answers are: it sees what a request holds and nothing else, and the guest's memory is written by this process alone. The rings stay as they are while a guest
/// resets its device. Set up by the factory, then the device's worker's.
/// </summary>
internal sealed class VhostUserBackend : IDisposable
{
    // Where the back end's memory is for its rings: an address of nothing else, which says nothing of this process.
    private const ulong BaseAddress = 0x1000_0000;

    private readonly VhostUserConnection _connection;
    private readonly SharedMemory _memory;

    private VhostUserBackend(string path, VhostUserConnection connection, ReadOnlySpan<BackendQueueSize> sizes)
    {
        (Path, _connection) = (path, connection);
        int total = 0;
        foreach (BackendQueueSize size in sizes) total += size.LengthBytes;
        _memory = SharedMemory.Create(total, $"The memory of {path}");
        Queues = new BackendQueue[sizes.Length];
    }

    /// <summary>Its socket.</summary>
    internal string Path { get; }

    /// <summary>Its queues.</summary>
    internal BackendQueue[] Queues { get; }

    /// <summary>Features of the device that are used.</summary>
    internal ulong Features { get; private set; }

    /// <summary>It closed the connection, or did what nobody does. Never waits.</summary>
    internal bool IsLost => _connection.IsLost;

    /// <summary>
    /// Connects to a back end that runs and sets its queues up. Throws <see cref="VhostUserException"/>, or <see cref="Hutch.Host.Linux.LinuxException"/> for want of memory or descriptors.
    /// </summary>
    /// <param name="streams">The host's sockets.</param>
    /// <param name="path">Its socket.</param>
    /// <param name="wanted">Features of the device that are to be used, if it has them.</param>
    /// <param name="config">Where the device's configuration space goes; empty: nobody asks for it.</param>
    /// <param name="sizes">The queues.</param>
    internal static VhostUserBackend Connect(ILocalStreams streams, string path, ulong wanted, Span<byte> config, params ReadOnlySpan<BackendQueueSize> sizes)
    {
        VhostUserConnection connection = new(streams.TryConnect(path) ?? throw new VhostUserException("does not listen"));
        VhostUserBackend? backend = null;
        try
        {
            backend = new VhostUserBackend(path, connection, sizes);
            backend.SetUp(wanted, config, sizes);
            return backend;
        }
        catch
        {
            if (backend is null) connection.Dispose();
            else backend.Dispose();
            throw;
        }
    }

    /// <summary>The guest's driver uses these of the device's features.</summary>
    internal void Use(ulong features) => _connection.TellFeatures(features | (Features & (VirtioFeatures.Version1 | VhostUserProtocol.ProtocolFeatures)));

    /// <summary>Adds what there is to wait for: answers, and the end of the connection.</summary>
    internal void Await(PollSet polls)
    {
        polls.Add(_connection.Descriptor, read: true, write: false);
        foreach (BackendQueue queue in Queues) polls.Add(queue.Call.ReadDescriptor, read: true, write: false);
    }

    /// <summary>Takes the wake-ups that have arrived, before the rings are looked at.</summary>
    internal void Drain()
    {
        foreach (BackendQueue queue in Queues) queue.Call.Drain();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _connection.Dispose();
        foreach (BackendQueue? queue in Queues) queue?.Dispose();
        _memory.Dispose();
    }

    private void SetUp(ulong wanted, Span<byte> config, ReadOnlySpan<BackendQueueSize> sizes)
    {
        int start = 0;
        for (int i = 0; i < sizes.Length; i++)
        {
            Queues[i] = new BackendQueue(_memory, start, sizes[i], BaseAddress);
            start += sizes[i].LengthBytes;
        }
        Features = _connection.Negotiate(wanted, sizes.Length);
        if (!config.IsEmpty) _connection.ReadConfig(config);
        _connection.ShareMemory(_memory.Descriptor, BaseAddress, _memory.LengthBytes);
        bool mustEnable = (Features & VhostUserProtocol.ProtocolFeatures) != 0;
        for (int i = 0; i < sizes.Length; i++) _connection.StartRing(i, Queues[i].Ring, Queues[i].Kick.ReadDescriptor, Queues[i].Call.WriteDescriptor, mustEnable);
    }
}
