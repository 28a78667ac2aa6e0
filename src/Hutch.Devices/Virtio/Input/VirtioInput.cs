using System;
using System.Buffers.Binary;
using System.Text;
using System.Threading;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using static Hutch.Devices.Virtio.Input.VirtioInputCodes;

namespace Hutch.Devices.Virtio.Input;

/// <summary>
/// The input device (virtio 1.2 §5.8) without what it is. Reports wait for the guest's buffers, and a report reaches the guest whole or not at all. What finds no place to wait is dropped;
/// the kinds of devices remember what the guest was told, and tell it the difference as soon as there is room (<see cref="CatchUp"/>), so that no key stays down. While the machine stands
/// still, or has no driver, nothing is told.
/// </summary>
internal abstract class VirtioInput : VirtioDevice
{
    private const int QueueEntries = 64;

    private readonly InputEvent[] _report = new InputEvent[InputReports.Longest];
    private readonly byte[] _name, _serial;
    private readonly ushort _product;
    private byte _select, _subselect;
    private int _staged;
    private bool _running;
    private volatile bool _used;

    private protected VirtioInput(string name, GuestMemory memory, string product, ushort number) : base(name, VirtioInputCodes.DeviceType, memory, QueueEntries, QueueEntries)
    {
        (_name, _product) = (Encoding.ASCII.GetBytes(product), number);
        _serial = Encoding.UTF8.GetBytes(name);
        if (_serial.Length > AnswerBytes) _serial = _serial[..AnswerBytes];
    }

    /// <summary>The guest has a driver for it. Any thread.</summary>
    public bool IsUsed => _used;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => 0;

    /// <summary>Held around what the guest is told and was told.</summary>
    private protected Lock Gate { get; } = new();

    /// <summary>What waits for the guest's buffers. Under <see cref="Gate"/>.</summary>
    private protected InputReports Reports { get; } = new();

    /// <summary>The guest can be told something now. Under <see cref="Gate"/>.</summary>
    private protected bool IsListening => _running && _used;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[ConfigBytes];
        config.Clear();
        (config[ConfigSelect], config[ConfigSubselect]) = (_select, _subselect);
        config[ConfigSize] = (byte)Answer(config[ConfigAnswer..]);
        CopyConfig(config, offset, data);
    }

    /// <inheritdoc/>
    internal override void WriteConfig(ulong offset, ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i++)
        {
            if (offset + (ulong)i == ConfigSelect) _select = data[i];
            else if (offset + (ulong)i == ConfigSubselect) _subselect = data[i];
        }
    }

    /// <inheritdoc/>
    internal override void Start()
    {
        lock (Gate) _running = true;
        base.Start();
    }

    /// <inheritdoc/>
    internal override void Stop()
    {
        lock (Gate) _running = false;
        base.Stop();
    }

    /// <summary>Which codes of a type of events it has: sets their bits and returns how many bytes they need; 0: none.</summary>
    private protected abstract int Codes(byte type, Span<byte> bits);

    /// <summary>The range of an absolute axis from 0; 0: it has no such axis.</summary>
    private protected virtual int RangeOf(byte axis) => 0;

    /// <summary>Adds a report of what the guest should know and does not; false: it knows all. Under <see cref="Gate"/>, with no report waiting.</summary>
    private protected abstract bool CatchUp();

    /// <summary>A new driver knows nothing. Under <see cref="Gate"/>.</summary>
    private protected abstract void Forget();

    /// <summary>The driver tells a state of the device: a light.</summary>
    private protected virtual void Accept(InputEvent told) { }

    /// <summary>Sets a bit of a map and returns how many bytes the map needs so far.</summary>
    private protected static int SetBit(Span<byte> bits, int bit, int bytes)
    {
        bits[bit / 8] |= (byte)(1 << (bit % 8));
        return Math.Max(bytes, (bit / 8) + 1);
    }

    /// <inheritdoc/>
    private protected override void OnActivate()
    {
        lock (Gate) _used = true;
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        lock (Gate)
        {
            _used = false;
            Reports.Clear();
            Forget();
        }
        (_select, _subselect) = (0, 0);
    }

    /// <inheritdoc/>
    private protected override void Drain()
    {
        // Part of a report that was in the driver's buffers, unseen: all of it is written again.
        Queues[EventQueue].UndoPop(_staged);
        _staged = 0;
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        fields.Value("select", ref _select);
        fields.Value("subselect", ref _subselect);
        lock (Gate)
        {
            Reports.Exchange(fields);
            if (fields.IsRestoring) _used = IsDriverOk;
        }
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        HearStatus();
        Deliver();
    }

    private void HearStatus()
    {
        VirtQueue queue = Queues[StatusQueue];
        Span<byte> bytes = stackalloc byte[EventBytes];
        do
        {
            queue.DisableNotifications();
            while (!ShouldYield && TryPop(queue))
            {
                if (Chain.TryRead(0, bytes)) Accept(InputReports.Read(bytes));
                queue.PushUsed(Chain.Head, 0);
            }
            InterruptIfWanted(StatusQueue);
        }
        while (!ShouldYield && queue.EnableNotifications());
    }

    private void Deliver()
    {
        VirtQueue queue = Queues[EventQueue];
        while (!ShouldYield)
        {
            int count = Next();
            if (count == 0)
            {
                queue.DisableNotifications();
                return;
            }
            if (count <= queue.Size && !Stage(queue, count)) return;
            queue.CommitUsed(_staged);
            _staged = 0;
            lock (Gate) Reports.Remove(count);
            InterruptIfWanted(EventQueue);
        }
    }

    // The driver sees none of a report's events before it sees all. False: it has to give more buffers first.
    private bool Stage(VirtQueue queue, int count)
    {
        Span<byte> bytes = stackalloc byte[EventBytes];
        while (_staged < count)
        {
            if (!TryPop(queue))
            {
                if (!queue.EnableNotifications()) return false;
                continue;
            }
            InputReports.Put(bytes, _report[_staged]);
            queue.StageUsed(_staged++, Chain.Head, Chain.TryWrite(0, bytes) ? (uint)EventBytes : 0);
        }
        return true;
    }

    private int Next()
    {
        lock (Gate)
        {
            int count = Reports.Peek(_report);
            return count == 0 && CatchUp() ? Reports.Peek(_report) : count;
        }
    }

    private int Answer(Span<byte> answer)
    {
        switch (_select)
        {
            case SelectName:
                _name.CopyTo(answer);
                return _name.Length;
            case SelectSerial:
                _serial.CopyTo(answer);
                return _serial.Length;
            case SelectIds:
                Write16(answer, BusVirtual, Vendor, _product, FirstVersion);
                return 8;
            case SelectEvents: return Codes(_subselect, answer);
            case SelectAxis when RangeOf(_subselect) is > 0 and int range:
                // struct virtio_input_absinfo: least, most, fuzz, flat, resolution.
                BinaryPrimitives.WriteInt32LittleEndian(answer[4..], range);
                return 20;
            default: return 0;
        }
    }

    private static void Write16(Span<byte> bytes, params ReadOnlySpan<ushort> values)
    {
        for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteUInt16LittleEndian(bytes[(2 * i)..], values[i]);
    }
}
