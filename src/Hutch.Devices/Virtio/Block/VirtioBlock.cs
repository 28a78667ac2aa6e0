using System;
using System.Text;
using Hutch.Block.Graph;
using Hutch.Core.State;
using Hutch.Devices.Storage;
using Hutch.Devices.Virtio.Requests;
using Hutch.Model.Machine;
using static Hutch.Devices.Virtio.Block.VirtioBlockRegisters;

namespace Hutch.Devices.Virtio.Block;

/// <summary>
/// The block device (virtio 1.2 §5.2). Each of its queues has a worker, which keeps requests in flight; data moves between guest RAM and the node without a
/// copy in between.
/// </summary>
internal sealed class VirtioBlock : VirtioDevice, IDisk
{
    private const int QueueEntries = 256;

    private readonly VirtioBlockConfigSpace _config;
    private readonly RequestQueue[] _queues;
    private readonly Throttle? _limits;

    /// <summary>Makes the device and owns <paramref name="node"/>.</summary>
    internal VirtioBlock(VirtioBlockConfig config, MachineServices services, BlockNode node)
        : base(config.Id, VirtioBlockRegisters.DeviceType, services.Memory, workerForEachQueue: true, Entries(config.Queues))
    {
        Node = node;
        _config = new VirtioBlockConfigSpace(node, QueueEntries, config.Queues, config.Disk.Discard);
        Errors = new StorageErrors(config.Id, config.OnReadError, config.OnWriteError, services.Platform);
        DiskConfig disk = config.Disk;
        if ((disk.BytesPerSecond | disk.OperationsPerSecond) != 0)
            _limits = new Throttle(services.Timers, Name, disk.BytesPerSecond, disk.OperationsPerSecond, KickAll);
        _queues = new RequestQueue[config.Queues];
        for (int i = 0; i < _queues.Length; i++)
            _queues[i] = new RequestQueue(this, i, WorkerOf(i), _limits, (buffers, completed) => new BlockRequest(this, buffers, completed));
        string id = config.Serial ?? config.Id;
        // The id is zero padded, not terminated (§5.2.6).
        _ = Encoding.ASCII.GetBytes(id.AsSpan(0, Math.Min(id.Length, IdBytes)), Id);
    }

    /// <summary>What the disk's bytes are in.</summary>
    internal BlockNode Node { get; }

    /// <summary>What becomes of failures.</summary>
    internal StorageErrors Errors { get; }

    /// <summary>The serial number as the guest reads it.</summary>
    internal byte[] Id { get; } = new byte[IdBytes];

    /// <summary>A driver that did not take the flush feature believes that a completed write is on the disk (§5.2.6.2).</summary>
    internal WriteFlags WriteThrough => (Features & FeatureFlush) == 0 ? WriteFlags.Durable : WriteFlags.None;

    /// <inheritdoc/>
    internal override uint PciClass => 0x010000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => _config.Features;

    /// <inheritdoc/>
    string IDisk.Name => Name;

    /// <inheritdoc/>
    public string? Trouble => Array.Exists(_queues, queue => queue.Holds(Errors)) ? Errors.HeldSentence : null;

    /// <inheritdoc/>
    public long LengthBytes => Node.LengthBytes;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data) => _config.Read(offset, data);

    /// <inheritdoc/>
    internal override void Start()
    {
        foreach (RequestQueue queue in _queues) queue.RetryHeld();
        base.Start();
    }

    /// <inheritdoc/>
    public void Grow(long lengthBytes)
    {
        DiskNodes.Grow(Node, Name, lengthBytes);
        _config.CapacitySectors = (ulong)Node.LengthBytes / SectorBytes;
        if (IsDriverOk) Transport.InterruptConfig();
    }

    /// <summary>Whether a request's range is on the disk, in whole sectors and aligned as the node wants it.</summary>
    internal bool IsOnDisk(ulong sector, long lengthBytes)
    {
        ulong sectors = (ulong)lengthBytes / SectorBytes;
        return lengthBytes >= 0 && lengthBytes % SectorBytes == 0 && sectors <= _config.CapacitySectors
            && sector <= _config.CapacitySectors - sectors
            && ((long)sector * SectorBytes) % Node.Limits.RequestAlignmentBytes == 0 && lengthBytes % Node.Limits.RequestAlignmentBytes == 0;
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker) => _queues[worker].Serve();

    /// <inheritdoc/>
    private protected override void Drain()
    {
        foreach (RequestQueue queue in _queues) queue.Drain();
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        foreach (RequestQueue queue in _queues) queue.DropHeld();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        if (!fields.IsRestoring) DiskNodes.FlushForState(Node, Name);
        DiskNodes.ExchangeSectors(fields, Name, _config.CapacitySectors);
        for (int i = 0; i < _queues.Length; i++)
        {
            string name = $"held{i}";
            if (fields.Has(name)) _queues[i].ExchangeHeld(fields, name);
        }
    }

    /// <inheritdoc/>
    private protected override void DisposeBackend()
    {
        DiskNodes.Close(Node);
        _limits?.Dispose();
    }

    private void KickAll()
    {
        for (int i = 0; i < _queues.Length; i++) Kick(i);
    }

    private static int[] Entries(int queues)
    {
        int[] entries = new int[queues];
        Array.Fill(entries, QueueEntries);
        return entries;
    }
}
