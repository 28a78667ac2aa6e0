using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Core.State;
using Hutch.Devices.Storage;
using Hutch.Devices.Virtio.Requests;
using Hutch.Model.Machine;
using static Hutch.Devices.Virtio.Scsi.VirtioScsiRegisters;

namespace Hutch.Devices.Virtio.Scsi;

/// <summary>
/// The SCSI host (virtio 1.2 §5.6): a target for each disk, which is its logical unit 0. Each request queue has a worker, which keeps commands in flight; another one has the control and the event queue.
/// </summary>
internal sealed class VirtioScsi : VirtioDevice
{
    private const int RequestEntries = 256, ControlEntries = 64, SlowWorker = 0;
    private const int LongestSense = 0xffff, LongestCommand = 0xff;

    private readonly ScsiDisk[] _disks;
    private readonly RequestQueue[] _queues;
    private readonly ScsiControl _control;
    private int _senseBytes = UsualSenseBytes, _commandBytes = UsualCommandBytes;
    private bool _missedEvents;

    /// <summary>Makes the device and owns the disks.</summary>
    internal VirtioScsi(VirtioScsiConfig config, MachineServices services, ScsiDisk[] disks)
        : base(config.Id, VirtioScsiRegisters.DeviceType, services.Memory, 1 + config.Queues, waitsItself: false, Entries(config.Queues))
    {
        _disks = disks;
        foreach (ScsiDisk disk in disks) disk.Controller = this;
        _queues = new RequestQueue[config.Queues];
        for (int i = 0; i < _queues.Length; i++)
        {
            int index = FirstRequestQueue + i;
            _queues[i] = new RequestQueue(this, index, WorkerOf(index), limits: null, (buffers, completed) => new ScsiRequest(this, buffers, completed));
        }
        _control = new ScsiControl(this);
    }

    /// <summary>Its disks, in the order of their targets.</summary>
    internal ReadOnlySpan<ScsiDisk> Disks => _disks;

    /// <summary>Length of a request's sense data, as the driver set it.</summary>
    internal int SenseBytes => Volatile.Read(ref _senseBytes);

    /// <summary>Length of a request's command, as the driver set it.</summary>
    internal int CommandBytes => Volatile.Read(ref _commandBytes);

    /// <inheritdoc/>
    internal override uint PciClass => 0x010000;

    /// <summary>Disks do not come and go, but Linux gives buffers for events only to a device that says they may.</summary>
    internal override ulong DeviceFeatures => FeatureHotplug | FeatureChange;

    /// <summary>The disk of a request's address: a byte 1, the target, the logical unit in two bytes; null: there is none (§5.6.6.1).</summary>
    internal ScsiDisk? FindTarget(ulong lun)
    {
        int target = (byte)(lun >> 48);
        return lun >> 56 == 1 && target < _disks.Length ? _disks[target] : null;
    }

    /// <summary>The number of the logical unit in a request's address, in either of its forms.</summary>
    internal static int UnitOf(ulong lun) => (int)(lun >> 32) & 0x3fff;

    /// <summary>Storage failed requests of a disk, which wait to be made again. The machine is stopped.</summary>
    internal bool Holds(ScsiDisk disk) => Array.Exists(_queues, queue => queue.Holds(disk.Errors));

    /// <summary>Tells the driver that something of a disk changed, by an event. The machine is stopped.</summary>
    internal void ReportChange(ScsiDisk disk, ushort code)
    {
        if (!IsDriverOk || (Features & FeatureChange) == 0) return;
        uint reason = (uint)(code >> 8 | (code & 0xff) << 8);
        _missedEvents |= !SendEvent(EventParameters, 1UL << 56 | (ulong)Array.IndexOf(_disks, disk) << 48, reason);
    }

    /// <summary>Makes the workers of the request queues quiet and waits until no command is in flight. On the worker of the control queue.</summary>
    internal void Quiesce()
    {
        for (int i = 0; i < _queues.Length; i++) WorkerOf(FirstRequestQueue + i).Pause();
        Drain();
    }

    /// <summary>Undoes it.</summary>
    internal void GoOn()
    {
        for (int i = 0; i < _queues.Length; i++) WorkerOf(FirstRequestQueue + i).Resume();
    }

    /// <summary>Gives back requests that storage failed. The workers are quiet.</summary>
    internal void AnswerHeld(Predicate<StorageRequest> judge)
    {
        foreach (RequestQueue queue in _queues) queue.AnswerHeld(judge);
    }

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[ConfigBytes];
        config.Clear();
        Put32(config, QueueCount, (uint)_queues.Length);
        // A chain holds the header and the response besides the data.
        Put32(config, SegmentMax, RequestEntries - 2);
        Put32(config, MaxSectors, 0xffff);
        Put32(config, CommandsPerLun, 128);
        Put32(config, EventBytes, EventInfoBytes);
        Put32(config, SenseSize, (uint)SenseBytes);
        Put32(config, CommandSize, (uint)CommandBytes);
        BinaryPrimitives.WriteUInt16LittleEndian(config[MaxTarget..], (ushort)Math.Max(0, _disks.Length - 1));
        CopyConfig(config, offset, data);
    }

    /// <summary>The driver may set the lengths of sense data and commands (§5.6.4); impossible ones are dropped.</summary>
    internal override void WriteConfig(ulong offset, ReadOnlySpan<byte> data)
    {
        if (data.Length != 4) return;
        uint value = BinaryPrimitives.ReadUInt32LittleEndian(data);
        if (offset == SenseSize && value <= LongestSense) Volatile.Write(ref _senseBytes, (int)value);
        else if (offset == CommandSize && value <= LongestCommand) Volatile.Write(ref _commandBytes, (int)value);
    }

    /// <inheritdoc/>
    internal override void Start()
    {
        foreach (RequestQueue queue in _queues) queue.RetryHeld();
        base.Start();
    }

    /// <inheritdoc/>
    private protected override int WorkerNumber(int queue) => queue < FirstRequestQueue ? SlowWorker : queue - FirstRequestQueue + 1;

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        if (worker != SlowWorker)
        {
            _queues[worker - 1].Serve();
            return;
        }
        // A buffer for the news that there was none.
        if (_missedEvents && SendEvent(EventsMissed, 0, 0)) _missedEvents = false;
        do
        {
            Queues[ControlQueue].DisableNotifications();
            while (!ShouldYield && TryPop(Queues[ControlQueue]))
            {
                ushort head = Chain.Head;
                Queues[ControlQueue].PushUsed(head, _control.Answer(Chain));
            }
            InterruptIfWanted(ControlQueue);
        }
        while (!ShouldYield && Queues[ControlQueue].EnableNotifications());
    }

    /// <inheritdoc/>
    private protected override void Drain()
    {
        foreach (RequestQueue queue in _queues) queue.Drain();
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        foreach (RequestQueue queue in _queues) queue.DropHeld();
        Volatile.Write(ref _senseBytes, UsualSenseBytes);
        Volatile.Write(ref _commandBytes, UsualCommandBytes);
        _missedEvents = false;
        foreach (ScsiDisk disk in _disks) disk.Reset();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        fields.Value("sense-bytes", ref _senseBytes, 0, LongestSense);
        fields.Value("command-bytes", ref _commandBytes, 0, LongestCommand);
        fields.Value("missed-events", ref _missedEvents);
        for (int i = 0; i < _disks.Length; i++) fields.Group($"target{i}", _disks[i].Exchange);
        for (int i = 0; i < _queues.Length; i++) _queues[i].ExchangeHeld(fields, $"held{i}");
    }

    /// <inheritdoc/>
    private protected override void DisposeBackend()
    {
        foreach (ScsiDisk disk in _disks) DiskNodes.Close(disk.Node);
    }

    // On the slow worker, or while the machine is stopped. False: the driver has no buffer for it there.
    private bool SendEvent(uint what, ulong lun, uint reason)
    {
        if (!TryPop(Queues[EventQueue])) return false;
        Span<byte> info = stackalloc byte[EventInfoBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(info, what);
        BinaryPrimitives.WriteUInt64BigEndian(info[4..], lun);
        BinaryPrimitives.WriteUInt32LittleEndian(info[12..], reason);
        bool fits = Chain.TryWrite(0, info);
        Queues[EventQueue].PushUsed(Chain.Head, fits ? EventInfoBytes : 0u);
        InterruptIfWanted(EventQueue);
        return fits;
    }

    private static void Put32(Span<byte> config, int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(config[offset..], value);

    private static int[] Entries(int queues)
    {
        int[] entries = new int[FirstRequestQueue + queues];
        Array.Fill(entries, RequestEntries);
        entries[ControlQueue] = entries[EventQueue] = ControlEntries;
        return entries;
    }
}
