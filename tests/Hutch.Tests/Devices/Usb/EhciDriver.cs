using System;
using System.Collections.Generic;
using Hutch.Core.Memory;
using Hutch.Tests.Devices.Virtio;

namespace Hutch.Tests.Devices.Usb;

/// <summary>
/// A driver as a guest has one, written from EHCI 1.0: an asynchronous ring of a head and a queue of control transfers, and a frame list whose entries lead to a queue of interrupt transfers.
/// </summary>
internal sealed class EhciDriver(TestMachine machine, ulong registers)
{
    internal const ulong Head = 0x10_1000, ControlQueue = 0x10_1040, InterruptQueue = 0x10_1080, List = 0x10_2000, Transfers = 0x10_4000, Data = 0x20_0000;
    internal const uint Terminate = 1, IsQueue = 2, Active = 0x80, Halted = 0x40, BufferError = 0x20, TransactionError = 8, OnCompletion = 0x8000;
    internal const int Command = 0x20, Status = 0x24, Interrupts = 0x28, FrameIndex = 0x2c, PeriodicList = 0x34, AsyncList = 0x38, ConfigureFlag = 0x60, FirstPort = 0x64;
    internal const int Out = 0, In = 1, SetupPacket = 2;
    private const ulong SetupPlace = 0x1f_0000;
    private const uint Running = 0x8_0031;
    private const int MostFrames = 60;

    private GuestMemory Memory => machine.Memory;

    /// <summary>Reads a register.</summary>
    internal uint Read(int register) => (uint)machine.Load(registers + (ulong)register, 4);

    /// <summary>Writes a register.</summary>
    internal void Write(int register, uint value) => machine.Store(registers + (ulong)register, value, 4);

    /// <summary>Resets the controller, gives it its schedules, lets it run and takes the ports.</summary>
    internal void Start()
    {
        Write(Command, 2);
        Memory.TryCopyIn(0x10_0000, new byte[0x1_0000]);
        SetQueue(Head, (uint)ControlQueue | IsQueue, 0, 0, 64, Terminate, isHead: true);
        SetQueue(ControlQueue, (uint)Head | IsQueue, 0, 0, 64, Terminate);
        SetQueue(InterruptQueue, Terminate, 0, 1, 8, Terminate);
        for (int i = 0; i < 1024; i++) SetEntry(i, (uint)InterruptQueue | IsQueue);
        Write(PeriodicList, (uint)List);
        Write(AsyncList, (uint)Head);
        Write(Interrupts, 0x37);
        Write(Command, Running);
        Write(ConfigureFlag, 1);
    }

    /// <summary>An entry of the frame list.</summary>
    internal void SetEntry(int frame, uint link) => Memory.TryWrite(List + ((ulong)frame * 4), link);

    /// <summary>A queue for a device at high speed, with its first transfer.</summary>
    internal void SetQueue(ulong at, uint link, int address, int endpoint, int packetBytes, uint transfer, bool isHead = false)
    {
        Memory.TryWrite(at, link);
        Memory.TryWrite(at + 4, (uint)address | (uint)endpoint << 8 | 2u << 12 | 1u << 14 | (isHead ? 1u << 15 : 0) | (uint)packetBytes << 16);
        Memory.TryWrite(at + 8, (1u << 30) | 1);
        Memory.TryWrite(at + 12, 0u);
        Memory.TryWrite(at + 16, transfer);
        Memory.TryWrite(at + 20, Terminate);
        Memory.TryWrite(at + 24, 0u);
    }

    /// <summary>A word of a queue or transfer.</summary>
    internal uint Word(ulong at) => Memory.TryRead(at, out uint value) ? value : throw new InvalidOperationException("No RAM.");

    /// <summary>Puts a transfer into memory, without a successor; its address.</summary>
    internal uint SetTransfer(int index, int packet, int length, ulong buffer, uint flags)
    {
        ulong at = Transfers + ((ulong)index * 32);
        Memory.TryWrite(at, Terminate);
        Memory.TryWrite(at + 4, Terminate);
        Memory.TryWrite(at + 8, flags | (uint)packet << 8 | 3u << 10 | (uint)length << 16);
        Memory.TryWrite(at + 12, (uint)buffer);
        for (ulong page = 1; page < 5; page++) Memory.TryWrite(at + 12 + (page * 4), (uint)(buffer & ~0xffful) + (uint)(page * 0x1000));
        return (uint)at;
    }

    /// <summary>A transfer's token.</summary>
    internal uint Token(uint transfer) => Word(transfer + 8);

    /// <summary>Lets time pass, a frame after the other.</summary>
    internal void Pass(int frames)
    {
        for (int i = 0; i < frames; i++) machine.Timers.Advance(1_000_000);
    }

    /// <summary>Resets the port; what it is then.</summary>
    internal uint ResetPort(int port)
    {
        int register = FirstPort + (port * 4);
        Write(register, 0x100);
        Pass(50);
        Write(register, 0);
        Write(register, Read(register) | 2);
        return Read(register);
    }

    /// <summary>A control transfer. Returns how many bytes moved in the data stage, or -1 for a transfer that ended badly.</summary>
    internal int Control(int address, byte type, byte request, ushort value, ushort index, ushort length, ulong buffer = Data)
    {
        List<uint> transfers = Begin(address, type, request, value, index, length, buffer);
        for (int frame = 0; frame < MostFrames; frame++)
        {
            Pass(1);
            if (transfers.Exists(at => (Token(at) & Halted) != 0)) return -1;
            if ((Token(transfers[^1]) & Active) == 0) return transfers.Count == 2 ? 0 : length - (int)(Token(transfers[1]) >> 16 & 0x7fff);
        }
        throw new InvalidOperationException("The transfer does not end.");
    }

    /// <summary>Queues a control transfer; its parts.</summary>
    internal List<uint> Begin(int address, byte type, byte request, ushort value, ushort index, ushort length, ulong buffer = Data)
    {
        Memory.TryWrite(SetupPlace, type | ((ulong)request << 8) | ((ulong)value << 16) | ((ulong)index << 32) | ((ulong)length << 48));
        bool isIn = (type & 0x80) != 0;
        List<uint> transfers = [SetTransfer(0, SetupPacket, 8, SetupPlace, Active)];
        if (length != 0) transfers.Add(SetTransfer(1, isIn ? In : Out, length, buffer, Active));
        transfers.Add(SetTransfer(2, isIn && length != 0 ? Out : In, 0, 0, Active | OnCompletion));
        for (int i = 0; i + 1 < transfers.Count; i++) Memory.TryWrite(transfers[i], transfers[i + 1]);
        SetQueue(ControlQueue, (uint)Head | IsQueue, address, 0, 64, transfers[0]);
        return transfers;
    }

    /// <summary>Queues a transfer from the report endpoint.</summary>
    internal uint QueueReport(int address)
    {
        uint transfer = SetTransfer(8, In, 8, Data, Active | OnCompletion);
        SetQueue(InterruptQueue, Terminate, address, 1, 8, transfer);
        return transfer;
    }

    /// <summary>What lies where the data goes.</summary>
    internal byte[] Bytes(int count, ulong at = Data)
    {
        byte[] bytes = new byte[count];
        Memory.TryCopyOut(at, bytes);
        return bytes;
    }
}
