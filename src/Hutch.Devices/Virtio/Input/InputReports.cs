using System;
using System.Buffers.Binary;
using Hutch.Core.State;
using static Hutch.Devices.Virtio.Input.VirtioInputCodes;

namespace Hutch.Devices.Virtio.Input;

/// <summary>An event as Linux has them (linux/input.h).</summary>
/// <param name="Type">Its type.</param>
/// <param name="Code">Which key, axis or light.</param>
/// <param name="Value">What it is now, or by how much it changed.</param>
internal readonly record struct InputEvent(ushort Type, ushort Code, int Value);

/// <summary>Reports that wait for the guest's buffers: rows of events with a synchronisation at each one's end. It takes whole reports or none. Used under its device's lock.</summary>
internal sealed class InputReports
{
    private const int MostEvents = 256;

    private readonly InputEvent[] _events = new InputEvent[MostEvents];
    private int _first, _count;

    /// <summary>Adds a report. False: there is no room.</summary>
    internal bool TryAdd(ReadOnlySpan<InputEvent> report)
    {
        if (_count + report.Length + 1 > MostEvents) return false;
        foreach (InputEvent one in report) Add(one);
        Add(new InputEvent(Synchronise, 0, 0));
        return true;
    }

    /// <summary>Copies the oldest report, with its end, and returns how many events it has; 0: there is none.</summary>
    internal int Peek(Span<InputEvent> report)
    {
        int length = 0;
        while (length < _count)
        {
            InputEvent one = _events[(_first + length) % MostEvents];
            report[length++] = one;
            if (one.Type == Synchronise) return length;
        }
        return 0;
    }

    /// <summary>Takes away so many events, which are the oldest report.</summary>
    internal void Remove(int events) => (_first, _count) = ((_first + events) % MostEvents, _count - events);

    /// <summary>Drops all.</summary>
    internal void Clear() => _first = _count = 0;

    /// <summary>Saves or restores what waits.</summary>
    internal void Exchange(StateFields fields)
    {
        byte[] bytes = new byte[_count * EventBytes];
        for (int i = 0; i < _count; i++) Put(bytes.AsSpan(i * EventBytes), _events[(_first + i) % MostEvents]);
        bytes = fields.Blob("reports", bytes, MostEvents * EventBytes);
        if (!fields.IsRestoring) return;
        fields.Require(bytes.Length % EventBytes == 0, "reports");
        Clear();
        for (int at = 0; at < bytes.Length; at += EventBytes) Add(Read(bytes.AsSpan(at)));
        // What the last report has no end of would never leave.
        fields.Require(_count == 0 || _events[_count - 1].Type == Synchronise, "reports");
    }

    /// <summary>Writes an event as the driver reads it.</summary>
    internal static void Put(Span<byte> bytes, InputEvent one)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, one.Type);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[2..], one.Code);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[4..], one.Value);
    }

    /// <summary>Reads an event as the driver writes it.</summary>
    internal static InputEvent Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt16LittleEndian(bytes), BinaryPrimitives.ReadUInt16LittleEndian(bytes[2..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[4..]));

    /// <summary>The most events of a report, its end among them.</summary>
    internal static int Longest => MostEvents;

    private void Add(InputEvent one) => _events[(_first + _count++) % MostEvents] = one;
}
