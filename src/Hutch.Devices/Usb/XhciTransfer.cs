using System;
using System.Collections.Generic;
using Hutch.Core.Memory;

namespace Hutch.Devices.Usb;

/// <summary>
/// One transfer of an endpoint: the blocks that describe it, the data between them and the device, and the events at its end (xHCI 1.2 §4.10, §4.11). Under the controller's lock.
/// </summary>
internal sealed class XhciTransfer(XhciSlot slot, int endpoint, GuestMemory memory, XhciEvents events)
{
    private const int MostBlocks = 64, MostBytes = 64 << 10;

    private readonly List<(Trb Block, ulong Address)> _blocks = [];
    private byte[] _data = [];

    /// <summary>Takes all blocks of the next transfer from the ring. False: there is none, or it is not whole yet.</summary>
    internal bool TryTake(ref TrbRing ring, bool isControl)
    {
        _blocks.Clear();
        // A control transfer ends with its status stage, of three stages at most (xHCI 1.2 §4.11.2.2).
        for (bool ended = !isControl; _blocks.Count < MostBlocks;)
        {
            if (!ring.TryTake(memory, out Trb block, out ulong address)) return false;
            _blocks.Add((block, address));
            // One that does not begin as it should is a transfer of its own, and an error.
            ended |= block.Type == TrbType.StatusStage || (isControl && _blocks[0].Block.Type != TrbType.SetupStage);
            if (ended && !block.Has(Trb.Chain)) return true;
        }
        return true;
    }

    /// <summary>Carries it out and tells the guest. Null: the device is not ready, and nothing happened.</summary>
    internal CompletionCode? Run(UsbDevice device, bool isIn)
    {
        bool isControl = endpoint == 1;
        UsbSetup setup = isControl ? UsbSetup.From(_blocks[0].Block.Parameter) : default;
        int room = 0;
        foreach ((Trb block, _) in _blocks)
        {
            bool sound = block.Type switch
            {
                TrbType.SetupStage => isControl && block.Has(Trb.ImmediateData) && block.Length == 8,
                TrbType.DataStage or TrbType.StatusStage => isControl,
                TrbType.Normal or TrbType.EventData => true,
                TrbType.NoOp => !isControl,
                _ => false,
            };
            if (!sound) return Fail(CompletionCode.Trb);
            if (HasData(block)) room += block.Length;
        }
        if (isControl && (_blocks[0].Block.Type != TrbType.SetupStage || _blocks.Count < 2)) return Fail(CompletionCode.Trb);
        if (isControl) (isIn, room) = (setup.IsIn, setup.Length);
        return room > MostBytes ? Fail(CompletionCode.Trb) : Move(device, setup, isControl, isIn, room);
    }

    /// <summary>Tells the guest that it was stopped before it began.</summary>
    internal void ReportStopped()
    {
        foreach ((Trb block, ulong address) in _blocks)
        {
            if (!HasData(block)) continue;
            Post(address, CompletionCode.Stopped, block.Length);
            return;
        }
    }

    private CompletionCode? Move(UsbDevice device, UsbSetup setup, bool isControl, bool isIn, int room)
    {
        if (_data.Length < room) _data = new byte[room];
        Span<byte> data = _data.AsSpan(0, room);
        data.Clear();
        if (!isIn && !Carry(data, fromGuest: true)) return Fail(CompletionCode.DataBuffer);
        bool isEmpty = !isControl && _blocks.TrueForAll(static item => !HasData(item.Block));
        int moved = isEmpty ? 0 : isControl ? device.Control(setup, data) : isIn ? device.In(endpoint / 2, data) : UsbDevice.Stall;
        if (moved == UsbDevice.NotReady) return null;
        if (moved < 0) return Fail(CompletionCode.Stall);
        if (!isIn) moved = room;
        else if (!Carry(data[..moved], fromGuest: false)) return Fail(CompletionCode.DataBuffer);
        return Succeed(moved);
    }

    // Between the device's bytes and the guest's memory.
    private bool Carry(Span<byte> data, bool fromGuest)
    {
        Span<byte> immediate = stackalloc byte[8];
        foreach ((Trb block, _) in _blocks)
        {
            if (data.Length == 0) return true;
            if (!HasData(block)) continue;
            Span<byte> part = data[..Math.Min(data.Length, block.Length)];
            if (block.Has(Trb.ImmediateData))
            {
                if (!fromGuest || part.Length > immediate.Length) return false;
                System.Buffers.Binary.BinaryPrimitives.WriteUInt64LittleEndian(immediate, block.Parameter);
                immediate[..part.Length].CopyTo(part);
            }
            else if (!(fromGuest ? memory.TryCopyOut(block.Parameter, part) : memory.TryCopyIn(block.Parameter, part))) return false;
            data = data[part.Length..];
        }
        return true;
    }

    // The events of a transfer that ended well, perhaps with fewer bytes than there was room for.
    private CompletionCode Succeed(int moved)
    {
        bool isShort = false;
        int counted = 0;
        foreach ((Trb block, ulong address) in _blocks)
        {
            bool wants = block.Has(Trb.InterruptOnCompletion);
            if (HasData(block))
            {
                // What lies behind the short block is passed over.
                if (isShort) continue;
                int part = Math.Min(moved, block.Length);
                (moved, counted, isShort) = (moved - part, counted + part, part < block.Length);
                if (isShort ? wants || block.Has(Trb.InterruptOnShort) : wants) Post(address, isShort ? CompletionCode.ShortPacket : CompletionCode.Success, block.Length - part);
            }
            else if (block.Type == TrbType.EventData)
            {
                if (wants) Post(block.Parameter, isShort ? CompletionCode.ShortPacket : CompletionCode.Success, counted, Trb.EventData);
                counted = 0;
            }
            else if (wants) Post(address, CompletionCode.Success, 0);
        }
        return isShort ? CompletionCode.ShortPacket : CompletionCode.Success;
    }

    private CompletionCode Fail(CompletionCode code)
    {
        (Trb Block, ulong Address) where = _blocks.Find(static item => HasData(item.Block));
        if (where.Address == 0) where = _blocks[^1];
        Post(where.Address, code, HasData(where.Block) ? where.Block.Length : 0);
        return code;
    }

    private static bool HasData(Trb block) => block.Type is TrbType.Normal or TrbType.DataStage;

    private void Post(ulong parameter, CompletionCode code, int length, uint flags = 0) =>
        events.Post(TrbType.TransferEvent, parameter, ((uint)code << 24) | ((uint)length & 0xffffff), ((uint)slot.Number << 24) | ((uint)endpoint << 16) | flags);
}
