using System;
using Hutch.Core.Memory;
using Hutch.Core.State;
using static Hutch.Devices.Usb.XhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>The interrupter and its event ring of one segment (xHCI 1.2 §4.9.4, §4.17). Under the controller's lock.</summary>
/// <param name="memory">Guest RAM.</param>
/// <param name="raised">The interrupt became pending.</param>
/// <param name="failed">The ring is not in memory.</param>
internal sealed class XhciEvents(GuestMemory memory, Action raised, Action failed)
{
    // A segment's size (xHCI 1.2 §6.5).
    private const uint LeastSize = 16, MostSize = 4096;

    private uint _management, _moderation, _segments, _index, _size;
    private ulong _table, _dequeue, _start;
    private bool _cycle = true, _busy;

    /// <summary>An interrupt is wanted by the controller and allowed by the guest.</summary>
    internal bool IsAsserted => (_management & (Pending | Enabled)) == (Pending | Enabled);

    /// <summary>Reads a register.</summary>
    internal uint Read(int register) => register switch
    {
        Management => _management,
        Moderation => _moderation,
        SegmentCount => _segments,
        SegmentTable => (uint)_table,
        SegmentTable + 4 => (uint)(_table >> 32),
        EventDequeue => (uint)_dequeue | (_busy ? HandlerBusy : 0),
        EventDequeue + 4 => (uint)(_dequeue >> 32),
        _ => 0,
    };

    /// <summary>Writes a register.</summary>
    internal void Write(int register, uint value)
    {
        switch (register)
        {
            case Management: _management = (value & Enabled) | (_management & Pending & ~value); break;
            case Moderation: _moderation = value; break;
            case SegmentCount: _segments = value & 0xffff; break;
            case SegmentTable: _table = (_table & ~0xfffffffful) | (value & ~0x3fu); break;
            case SegmentTable + 4:
                _table = (uint)_table | ((ulong)value << 32);
                Begin();
                break;
            case EventDequeue:
                _dequeue = (_dequeue & ~0xfffffffful) | (value & ~0xfu);
                if ((value & HandlerBusy) != 0) _busy = false;
                break;
            case EventDequeue + 4:
                _dequeue = (uint)_dequeue | ((ulong)value << 32);
                // The guest is through with what it saw; was there more?
                if (!_busy && _size != 0 && _dequeue != Place(_index)) Raise();
                break;
        }
    }

    /// <summary>The message was sent, which clears the pending bit (xHCI 1.2 §5.5.2.1).</summary>
    internal void Sent() => _management &= ~Pending;

    /// <summary>Writes an event. One that has no room is lost, as the guest would have to be far behind.</summary>
    internal void Post(TrbType type, ulong parameter, uint status, uint control)
    {
        if (_size == 0 || Place((_index + 1) % _size) == _dequeue) return;
        Trb block = new(parameter, status, control | ((uint)type << 10) | (_cycle ? Trb.CycleBit : 0));
        if (!memory.TryWrite(Place(_index), block))
        {
            failed();
            return;
        }
        if (++_index == _size) (_index, _cycle) = (0, !_cycle);
        Raise();
    }

    /// <summary>Power-on state.</summary>
    internal void Reset() => (_management, _moderation, _segments, _index, _size, _table, _dequeue, _start, _cycle, _busy) = (0, 0, 0, 0, 0, 0, 0, 0, true, false);

    /// <summary>Saves or restores it.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("management", ref _management);
        fields.Value("moderation", ref _moderation);
        fields.Value("segments", ref _segments);
        fields.Value("table", ref _table);
        fields.Value("dequeue", ref _dequeue);
        fields.Value("busy", ref _busy);
        fields.Value("start", ref _start);
        fields.Value("size", ref _size);
        fields.Value("index", ref _index);
        fields.Value("cycle", ref _cycle);
        fields.Require(_size == 0 ? _index == 0 : _size is >= LeastSize and <= MostSize && _index < _size, "index");
    }

    private ulong Place(uint index) => _start + (ulong)index * Trb.Bytes;

    private void Begin()
    {
        (_index, _size, _cycle) = (0, 0, true);
        if (_segments == 0 || _table == 0) return;
        if (!memory.TryRead(_table, out ulong start) || !memory.TryRead(_table + 8, out uint size) || size is < LeastSize or > MostSize) failed();
        else (_start, _size) = (start & ~0x3ful, size);
    }

    private void Raise()
    {
        _management |= Pending;
        if (_busy) return;
        _busy = true;
        raised();
    }
}
