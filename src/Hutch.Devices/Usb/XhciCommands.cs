using Hutch.Core.Memory;
using Hutch.Core.State;
using static Hutch.Devices.Usb.XhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>The command ring (xHCI 1.2 §4.6). Under the controller's lock.</summary>
internal sealed class XhciCommands(GuestMemory memory, XhciSlot[] slots, XhciEvents events)
{
    // Of what a driver queues at once there are far fewer; a ring without an end gives the vCPU back all the same.
    private const int MostCommands = 256;
    private const uint BlockAddress = 1 << 9, Deconfigure = 1 << 9;

    private TrbRing _ring;
    private ulong _written;
    private bool _running;

    /// <summary>CRCR: only that it runs can be read.</summary>
    internal uint Control => _running ? RingRunning : 0;

    /// <summary>Address of the array of device contexts.</summary>
    internal ulong ContextArray { get; set; }

    /// <summary>Writes the lower half of CRCR.</summary>
    internal void WriteLow(uint value) => _written = value;

    /// <summary>Writes the upper half, and both take effect.</summary>
    internal void WriteHigh(uint value)
    {
        ulong pointer = _written & ~0x3ful | ((ulong)value << 32);
        if (!_running) _ring = new TrbRing(pointer, (_written & RingCycle) != 0);
        else if ((_written & (RingStop | RingAbort)) != 0)
        {
            _running = false;
            Complete(_ring.Dequeue, CompletionCode.RingStopped, 0);
        }
        _written = 0;
    }

    /// <summary>The guest rang the controller's doorbell.</summary>
    internal void Work()
    {
        _running = true;
        for (int done = 0; done < MostCommands; done++)
        {
            if (!_ring.TryTake(memory, out Trb command, out ulong address)) return;
            int slot = command.Slot;
            CompletionCode code = command.Type == TrbType.EnableSlot ? EnableSlot(out slot) : Execute(command);
            Complete(address, code, slot);
        }
    }

    /// <summary>The controller stopped.</summary>
    internal void Stop() => _running = false;

    /// <summary>Power-on state.</summary>
    internal void Reset()
    {
        (_ring, _written, _running, ContextArray) = (default, 0, false, 0);
        foreach (XhciSlot slot in slots) slot.Disable();
    }

    /// <summary>Saves or restores it, with the slots.</summary>
    internal void Exchange(StateFields fields)
    {
        ulong pointer = _ring.Pointer, array = ContextArray;
        fields.Value("ring", ref pointer);
        fields.Value("written", ref _written);
        fields.Value("running", ref _running);
        fields.Value("contexts", ref array);
        (_ring, ContextArray) = (new TrbRing(pointer, (pointer & 1) != 0), array);
        foreach (XhciSlot slot in slots) fields.Group($"slot{slot.Number}", slot.Exchange);
    }

    private CompletionCode EnableSlot(out int number)
    {
        number = 0;
        foreach (XhciSlot slot in slots)
        {
            if (slot.IsEnabled) continue;
            slot.Enable();
            number = slot.Number;
            return CompletionCode.Success;
        }
        return CompletionCode.NoSlots;
    }

    private CompletionCode Execute(Trb command)
    {
        if (command.Type == TrbType.NoOpCommand) return CompletionCode.Success;
        if (command.Type is < TrbType.DisableSlot or > TrbType.ResetDevice) return CompletionCode.Trb;
        if (command.Slot is 0 or > SlotCount || !slots[command.Slot - 1].IsEnabled) return CompletionCode.SlotNotEnabled;
        XhciSlot slot = slots[command.Slot - 1];
        ulong pointer = command.Parameter & ~0xful;
        switch (command.Type)
        {
            case TrbType.DisableSlot:
                slot.Disable();
                return CompletionCode.Success;
            case TrbType.AddressDevice:
                return memory.TryRead(ContextArray + (ulong)slot.Number * sizeof(ulong), out ulong context)
                    ? slot.Address(pointer, context & ~0x3ful, command.Has(BlockAddress)) : CompletionCode.Parameter;
            case TrbType.ConfigureEndpoint: return slot.Configure(pointer, command.Has(Deconfigure));
            case TrbType.EvaluateContext: return slot.Evaluate(pointer);
            case TrbType.ResetDevice: return slot.ResetDevice();
        }
        if (command.Endpoint == 0) return CompletionCode.Trb;
        XhciEndpoint endpoint = slot.Endpoint(command.Endpoint);
        return command.Type switch
        {
            TrbType.StopEndpoint => endpoint.Stop(),
            TrbType.ResetEndpoint => endpoint.Reset(),
            _ => endpoint.SetDequeue(command.Parameter),
        };
    }

    private void Complete(ulong address, CompletionCode code, int slot) => events.Post(TrbType.CommandCompletion, address, (uint)code << 24, (uint)slot << 24);
}
