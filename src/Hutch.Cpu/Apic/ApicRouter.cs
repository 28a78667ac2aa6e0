using System;
using Hutch.Core.Interrupts;
using Hutch.Host.Events;

namespace Hutch.Cpu.Apic;

/// <summary>Delivers messages and IPIs to the local APICs of a machine. Any thread; takes no lock and waits for nobody.</summary>
internal sealed class ApicRouter(SoftMachine machine) : IInterruptRouter, IDisposable
{
    private const uint BroadcastXApic = 0xff, BroadcastX2Apic = uint.MaxValue;

    private readonly EventWatcher _events = new("interrupts");

    // Where the search for the lowest priority starts, so that equals take turns. Races only make the turns uneven.
    private int _turn;

    /// <inheritdoc/>
    public void SignalMsi(MsiMessage message)
    {
        // Intel SDM 3A §11.11. Destination mode counts whatever the redirection hint, as chipsets do it.
        uint destination = (uint)(message.Address >> 12) & 0xff;
        bool redirect = (message.Address & 8) != 0, logical = (message.Address & 4) != 0;
        var mode = (DeliveryMode)(message.Data >> 8 & 7);
        bool level = (message.Data & 1 << 15) != 0;
        if (redirect && mode == DeliveryMode.Fixed) mode = DeliveryMode.LowestPriority;
        Route(mode, (byte)message.Data, level, destination, logical, isX2Apic: false, except: null);
    }

    /// <inheritdoc/>
    public void SetExternalInterrupt(bool asserted) => machine.SoftVcpus[0].Apic.SetExternalInterrupt(asserted);

    /// <inheritdoc/>
    public IMsiVector CreateVector(EventFd? existing = null) => new EventVector(this, _events, existing);

    /// <summary>Ends what waits for events. The vectors are disposed before.</summary>
    public void Dispose() => _events.Dispose();

    /// <summary>
    /// Sends what an ICR write asks for.
    /// </summary>
    /// <param name="source">The sender.</param>
    /// <param name="icr">The low half: vector, delivery mode 8-10, destination mode 11, level 14, trigger 15, shorthand 18-19.</param>
    /// <param name="destination">8 bits, or 32 from an x2APIC.</param>
    /// <param name="isX2Apic">The sender is in x2APIC mode.</param>
    public void SendIpi(LocalApic source, uint icr, uint destination, bool isX2Apic)
    {
        var mode = (DeliveryMode)(icr >> 8 & 7);
        byte vector = (byte)icr;
        // INIT with level 0 and trigger level is the de-assert message: it does nothing since the Pentium 4.
        if (mode == DeliveryMode.Init && (icr & 0xc000) == 0x8000) return;
        if (mode is DeliveryMode.Fixed or DeliveryMode.LowestPriority && vector < 16)
        {
            source.Registers.RaiseError(ApicRegisters.SendIllegalVector);
            return;
        }
        switch (icr >> 18 & 3)
        {
            case 0: Route(mode, vector, level: false, destination, (icr & 1 << 11) != 0, isX2Apic, except: null); break;
            case 1: source.Deliver(mode, vector, level: false); break;
            case 2: Route(mode, vector, level: false, BroadcastX2Apic, logical: false, isX2Apic: true, except: null); break;
            default: Route(mode, vector, level: false, BroadcastX2Apic, logical: false, isX2Apic: true, except: source); break;
        }
    }

    /// <summary>Whether an APIC is among the destinations of a message.</summary>
    internal static bool Matches(ApicRegisters target, int id, uint destination, bool logical, bool isX2Apic)
    {
        if (destination == (isX2Apic ? BroadcastX2Apic : BroadcastXApic)) return true;
        if (target.Mode == ApicMode.X2Apic)
        {
            if (!logical) return destination == (uint)id;
            uint own = ApicRegisters.LogicalX2ApicId(id);
            return destination >> 16 == own >> 16 && (destination & own & 0xffff) != 0;
        }
        if (!logical) return destination == target.XApicId;
        uint logicalId = target.Ldr >> 24;
        if (destination > 0xff) return false;
        return (target.Dfr >> 28) switch
        {
            0xf => (destination & logicalId) != 0,
            0 => destination >> 4 == logicalId >> 4 && (destination & logicalId & 0xf) != 0,
            _ => false,
        };
    }

    private void Route(DeliveryMode mode, byte vector, bool level, uint destination, bool logical, bool isX2Apic, LocalApic? except)
    {
        if (mode == DeliveryMode.LowestPriority)
        {
            LowestPriority(destination, logical, isX2Apic, except)?.Deliver(DeliveryMode.Fixed, vector, level);
            return;
        }
        foreach (SoftVcpu vcpu in machine.SoftVcpus)
        {
            LocalApic apic = vcpu.Apic;
            if (apic != except && apic.Mode != ApicMode.Disabled && Matches(apic.Registers, vcpu.ApicId, destination, logical, isX2Apic))
                apic.Deliver(mode, vector, level);
        }
    }

    private LocalApic? LowestPriority(uint destination, bool logical, bool isX2Apic, LocalApic? except)
    {
        int count = machine.SoftVcpus.Length, start = _turn;
        LocalApic? best = null;
        int bestPriority = int.MaxValue, bestIndex = 0;
        for (int i = 0; i < count; i++)
        {
            int index = (int)((uint)(start + i) % (uint)count);
            LocalApic apic = machine.SoftVcpus[index].Apic;
            if (apic == except || !apic.Registers.IsSoftwareEnabled || !Matches(apic.Registers, machine.SoftVcpus[index].ApicId, destination, logical, isX2Apic)) continue;
            int priority = apic.ProcessorPriority >> 4;
            if (priority >= bestPriority) continue;
            (best, bestPriority, bestIndex) = (apic, priority, index);
        }
        if (best is not null) _turn = bestIndex + 1;
        return best;
    }
}
