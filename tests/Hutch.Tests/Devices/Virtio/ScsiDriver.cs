using System;
using System.Buffers.Binary;
using System.Collections.Generic;

namespace Hutch.Tests.Devices.Virtio;

/// <summary>How a command ended.</summary>
internal sealed record ScsiResult(byte Response, byte Status, byte Key, ushort Code, uint SenseBytes, uint Residual, uint Written, byte[] Data)
{
    /// <summary>The parts that say whether it went well.</summary>
    internal (byte Response, byte Status) Ends => (Response, Status);

    /// <summary>What CHECK CONDITION says.</summary>
    internal (byte Key, int Code) Sense => (Key, Code);
}

/// <summary>A guest's driver of a virtio SCSI host in a few lines, written from the specification (virtio 1.2 §5.6.6).</summary>
internal sealed class ScsiDriver
{
    internal const ulong Features = (1UL << 32) | (1UL << 29) | (1UL << 28) | 6;

    private const int RequestQueue = 2, Places = 5;
    private const ulong Headers = 0x20_0000, Buffers = 0x40_0000, PlaceBytes = 0x400, BufferBytes = 0x8_0000;
    private readonly TestMachine _machine;
    private readonly Dictionary<(int Queue, uint Id), (ulong Response, ulong Data, int DataBytes)> _pending = [];
    private readonly int[] _heads;
    private int _next;

    internal ScsiDriver(TestMachine machine, int queues = 1, ulong features = Features)
    {
        _machine = machine;
        _heads = new int[queues];
        Virtio = new VirtioDriver(machine, 1);
        Virtio.Bring(2 + queues, features);
    }

    internal VirtioDriver Virtio { get; }

    /// <summary>Lengths of sense data and commands, as they are configured.</summary>
    internal int SenseSize { get; set; } = 96;

    internal int CommandSize { get; set; } = 32;

    /// <summary>Offers a command; its buffers are those of the last but a few before it. Returns its id in the used ring.</summary>
    internal uint Begin(byte target, byte[] command, int inBytes = 0, byte[]? output = null, byte unit = 0, ulong tag = 0, int queue = 0)
    {
        int place = _next++ % Places;
        ulong header = Headers + ((ulong)place * PlaceBytes), response = header + 0x200, data = Buffers + ((ulong)place * BufferBytes);
        byte[] request = new byte[19 + CommandSize];
        (request[0], request[1], request[2], request[3]) = (1, target, (byte)(unit == 0 ? 0 : 0x40), unit);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), tag);
        command.CopyTo(request, 19);
        _machine.Memory.TryCopyIn(header, request);
        _machine.Memory.TryCopyIn(response, Filled(12 + SenseSize));
        List<(ulong, uint, bool)> buffers = [(header, (uint)request.Length, false)];
        if (output is not null)
        {
            _machine.Memory.TryCopyIn(data, output);
            buffers.Add((data, (uint)output.Length, false));
        }
        buffers.Add((response, (uint)(12 + SenseSize), true));
        if (inBytes != 0)
        {
            if (output is null) _machine.Memory.TryCopyIn(data, Filled(inBytes));
            buffers.Add((data, (uint)inBytes, true));
        }
        uint id = (uint)(_heads[queue] % VirtioDriver.QueueSize);
        _heads[queue] += buffers.Count;
        _pending[(queue, id)] = (response, data, inBytes);
        Virtio.Submit(RequestQueue + queue, [.. buffers]);
        return id;
    }

    /// <summary>Waits for the next command that ends. Returns its id and its end.</summary>
    internal (uint Id, ScsiResult Result) Wait(int queue = 0)
    {
        uint id, written;
        while (!Virtio.TryTakeUsed(RequestQueue + queue, out id, out written))
            if (!_machine.Router.WaitOne()) throw new TimeoutException("The device never answered.");
        (ulong at, ulong data, int dataBytes) = _pending[(queue, id)];
        byte[] response = new byte[12 + SenseSize], back = new byte[dataBytes];
        _machine.Memory.TryCopyOut(at, response);
        _machine.Memory.TryCopyOut(data, back);
        byte[] sense = new byte[18];
        response.AsSpan(12, Math.Min(18, SenseSize)).CopyTo(sense);
        return (id, new ScsiResult(response[11], response[10], sense[2], BinaryPrimitives.ReadUInt16BigEndian(sense.AsSpan(12)),
            BinaryPrimitives.ReadUInt32LittleEndian(response), BinaryPrimitives.ReadUInt32LittleEndian(response.AsSpan(4)), written, back));
    }

    /// <summary>Offers one and waits for it.</summary>
    internal ScsiResult Execute(byte target, byte[] command, int inBytes = 0, byte[]? output = null, byte unit = 0, int queue = 0)
    {
        Begin(target, command, inBytes, output, unit, queue: queue);
        return Wait(queue).Result;
    }

    /// <summary>Sends a request to the control queue and waits for its answer of so many bytes.</summary>
    internal byte[] Control(byte[] request, int answerBytes)
    {
        BeginControl(request, answerBytes);
        return WaitControl(answerBytes);
    }

    internal void BeginControl(byte[] request, int answerBytes)
    {
        _machine.Memory.TryCopyIn(Headers + 0x8000, request);
        Virtio.Submit(0, (Headers + 0x8000, (uint)request.Length, false), (Headers + 0x9000, (uint)answerBytes, true));
    }

    internal byte[] WaitControl(int answerBytes)
    {
        Virtio.WaitUsed(0);
        byte[] answer = new byte[answerBytes];
        _machine.Memory.TryCopyOut(Headers + 0x9000, answer);
        return answer;
    }

    /// <summary>A task management function.</summary>
    internal static byte[] Task(uint function, byte target, byte unit = 0, ulong tag = 0)
    {
        byte[] request = new byte[24];
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(4), function);
        (request[8], request[9], request[10], request[11]) = (1, target, (byte)(unit == 0 ? 0 : 0x40), unit);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(16), tag);
        return request;
    }

    private static byte[] Filled(int bytes)
    {
        byte[] data = new byte[bytes];
        Array.Fill(data, (byte)0xee);
        return data;
    }
}
