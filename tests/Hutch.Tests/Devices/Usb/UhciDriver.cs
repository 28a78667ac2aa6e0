using System;
using System.Collections.Generic;
using Hutch.Core.Memory;
using Hutch.Tests.Devices.Virtio;

namespace Hutch.Tests.Devices.Usb;

/// <summary>A driver as a guest has one, written from the UHCI Design Guide 1.1: a frame list whose entries lead to a queue of interrupt transfers, and that to a queue of control transfers.</summary>
internal sealed class UhciDriver
{
    internal const ulong List = 0x10_0000, InterruptQueue = 0x10_1000, ControlQueue = 0x10_1010, Data = 0x20_0000;
    internal const uint Terminate = 1, Queue = 2, DepthFirst = 4;
    internal const uint Active = 1 << 23, OnCompletion = 1 << 24, ShortDetect = 1 << 29, ThreeErrors = 3 << 27;
    internal const int Command = 0, Status = 2, Interrupts = 4, Frame = 6, ListAddress = 8, FrameLength = 0xc, FirstPort = 0x10;
    internal const byte In = 0x69, Out = 0xe1, SetupPacket = 0x2d;
    private const ulong Transfers = 0x10_2000, SetupPlace = 0x1f_0000;
    private const int PacketBytes = 64, MostFrames = 60;

    private readonly TestMachine _machine;
    private readonly ushort _base;

    internal UhciDriver(TestMachine machine, ushort ports) => (_machine, _base) = (machine, ports);

    private GuestMemory Memory => _machine.Memory;

    /// <summary>Reads a register.</summary>
    internal uint Read(int register, int width = 2) => _machine.In((ushort)(_base + register), width);

    /// <summary>Writes a register.</summary>
    internal void Write(int register, uint value, int width = 2) => _machine.Out((ushort)(_base + register), value, width);

    /// <summary>Resets the controller, gives it its list and lets it run.</summary>
    internal void Start()
    {
        Write(Command, 2);
        Memory.TryCopyIn(List, new byte[0x1_0000]);
        for (int i = 0; i < 1024; i++) SetEntry(i, (uint)InterruptQueue | Queue);
        SetQueue(InterruptQueue, (uint)ControlQueue | Queue, Terminate);
        SetQueue(ControlQueue, Terminate, Terminate);
        Write(ListAddress, (uint)List, 4);
        Write(Interrupts, 0xf);
        Write(Command, 0xc1);
    }

    /// <summary>An entry of the frame list.</summary>
    internal void SetEntry(int frame, uint link) => Memory.TryWrite(List + ((ulong)frame * 4), link);

    /// <summary>A queue.</summary>
    internal void SetQueue(ulong at, uint link, uint element)
    {
        Memory.TryWrite(at, link);
        Memory.TryWrite(at + 4, element);
    }

    /// <summary>What a queue's next element is.</summary>
    internal uint Element(ulong queue) => Word(queue + 4);

    /// <summary>Puts a transfer into memory, without a successor; its address.</summary>
    internal uint SetTransfer(int index, byte packet, int address, int endpoint, int length, ulong buffer, uint status)
    {
        ulong at = Transfers + ((ulong)index * 16);
        Memory.TryWrite(at, Terminate);
        Memory.TryWrite(at + 4, status);
        Memory.TryWrite(at + 8, packet | (uint)address << 8 | (uint)endpoint << 15 | ((uint)(length - 1) & 0x7ff) << 21);
        Memory.TryWrite(at + 12, (uint)buffer);
        return (uint)at;
    }

    /// <summary>Leads a transfer to another one.</summary>
    internal void Link(uint transfer, uint link) => Memory.TryWrite(transfer, link);

    /// <summary>A transfer's control and status.</summary>
    internal uint StatusOf(uint transfer) => Word(transfer + 4);

    /// <summary>Lets time pass, a frame after the other.</summary>
    internal void Pass(int frames)
    {
        for (int i = 0; i < frames; i++) _machine.Timers.Advance(1_000_000);
    }

    /// <summary>Resets the port's device and enables the port.</summary>
    internal void Enable(int port)
    {
        int register = FirstPort + (port * 2);
        Write(register, 0x200);
        Pass(50);
        Write(register, 0);
        Write(register, 4 | 2);
    }

    /// <summary>A control transfer, whose data is at <see cref="Data"/>. Returns how many bytes moved in the data stage, or -1 for a transfer that ended badly.</summary>
    internal int Control(int address, byte type, byte request, ushort value, ushort index, ushort length)
    {
        List<uint> transfers = Begin(address, type, request, value, index, length);
        int moved = 0;
        for (int frame = 0; frame < MostFrames; frame++)
        {
            Pass(1);
            if (transfers.Exists(at => (StatusOf(at) & 0x7e_0000) != 0)) return -1;
            if ((StatusOf(transfers[^1]) & Active) != 0) continue;
            for (int i = 1; i < transfers.Count - 1; i++) moved += (StatusOf(transfers[i]) & Active) != 0 ? 0 : (int)((StatusOf(transfers[i]) + 1) & 0x7ff);
            return moved;
        }
        throw new InvalidOperationException("The transfer does not end.");
    }

    /// <summary>Queues a control transfer; its parts.</summary>
    internal List<uint> Begin(int address, byte type, byte request, ushort value, ushort index, ushort length)
    {
        Memory.TryWrite(SetupPlace, type | ((ulong)request << 8) | ((ulong)value << 16) | ((ulong)index << 32) | ((ulong)length << 48));
        bool isIn = (type & 0x80) != 0;
        List<uint> transfers = [SetTransfer(0, SetupPacket, address, 0, 8, SetupPlace, Active | ThreeErrors)];
        for (int done = 0; done < length; done += PacketBytes)
            transfers.Add(SetTransfer(transfers.Count, isIn ? In : Out, address, 0, Math.Min(PacketBytes, length - done), Data + (ulong)done, Active | ThreeErrors));
        transfers.Add(SetTransfer(transfers.Count, isIn && length != 0 ? Out : In, address, 0, 0, 0, Active | ThreeErrors | OnCompletion));
        for (int i = 0; i + 1 < transfers.Count; i++) Link(transfers[i], transfers[i + 1] | DepthFirst);
        SetQueue(ControlQueue, Terminate, transfers[0]);
        return transfers;
    }

    /// <summary>What lies where the data goes.</summary>
    internal byte[] Bytes(int count)
    {
        byte[] bytes = new byte[count];
        Memory.TryCopyOut(Data, bytes);
        return bytes;
    }

    private uint Word(ulong at) => Memory.TryRead(at, out uint value) ? value : throw new InvalidOperationException("No RAM.");
}
