using System;
using System.Buffers.Binary;
using Hutch.Devices.Virtio.Queue;
using Hutch.Model.Machine;
using static Hutch.Devices.Virtio.Net.VirtioNetRegisters;

namespace Hutch.Devices.Virtio.Net;

/// <summary>The control queue (virtio 1.2 §5.1.6.5): what the driver wants to receive, its address, its queues. On the first worker.</summary>
internal sealed class NetControl(VirtioNet card, QueueWorker worker)
{
    private const int CommandBytes = 2;

    private readonly DescriptorChain _chain = new(VirtioNet.QueueEntries);

    /// <summary>Carries out what is in the queue.</summary>
    internal void Serve(int index)
    {
        VirtQueue queue = card.Queues[index];
        do
        {
            queue.DisableNotifications();
            while (!worker.ShouldYield)
            {
                QueueStatus status = queue.TryPop(_chain);
                if (status == QueueStatus.Broken) card.Transport.NeedsReset();
                if (status != QueueStatus.Popped) break;
                byte acknowledge = Execute() ? ControlOk : ControlError;
                _ = _chain.TryWrite(0, [acknowledge]);
                queue.PushUsed(_chain.Head, _chain.WritableBytes == 0 ? 0u : 1u);
            }
            if (queue.ShouldInterrupt()) card.Transport.InterruptQueue(index);
        }
        while (!worker.ShouldYield && queue.EnableNotifications());
    }

    private bool Execute()
    {
        Span<byte> command = stackalloc byte[CommandBytes];
        if (!_chain.TryRead(0, command)) return false;
        return command[0] switch
        {
            ClassReceive => Has(FeatureControlReceive) && SetMode(command[1]),
            ClassMac => SetAddresses(command[1]),
            ClassVlan => Has(FeatureControlVlan) && SetVlan(command[1]),
            ClassAnnounce => Has(FeatureAnnounce) && command[1] == AnnounceAcknowledge && card.Announced(),
            ClassMultiQueue => Has(FeatureMultiQueue) && command[1] == PairsSet && SetPairs(),
            _ => false,
        };
    }

    private bool Has(ulong feature) => (card.DriverFeatures & feature) != 0;

    private bool SetMode(byte command)
    {
        Span<byte> data = stackalloc byte[1];
        if (!_chain.TryRead(CommandBytes, data) || (command >= AllUnicast && !Has(FeatureControlReceiveExtra))) return false;
        bool on = data[0] != 0;
        ReceiveFilter filter = card.Filter;
        ReceiveFilter? changed = command switch
        {
            Promiscuous => filter with { Promiscuous = on },
            AllMulticast => filter with { AllMulticast = on },
            AllUnicast => filter with { AllUnicast = on },
            NoMulticast => filter with { NoMulticast = on },
            NoUnicast => filter with { NoUnicast = on },
            NoBroadcast => filter with { NoBroadcast = on },
            _ => null,
        };
        if (changed is null) return false;
        card.Filter = changed;
        return true;
    }

    private bool SetAddresses(byte command)
    {
        if (command == MacAddressSet && Has(FeatureControlMac))
        {
            Span<byte> address = stackalloc byte[MacAddress.Bytes];
            if (!_chain.TryRead(CommandBytes, address)) return false;
            card.SetAddress(address);
            return true;
        }
        if (command != MacTableSet || !Has(FeatureControlReceive)) return false;
        long at = CommandBytes;
        if (!ReadTable(ref at, out byte[]? unicast) || !ReadTable(ref at, out byte[]? multicast)) return false;
        ReceiveFilter filter = card.Filter;
        card.Filter = filter with
        {
            Unicast = unicast ?? [], AllUnicast = filter.AllUnicast || unicast is null,
            Multicast = multicast ?? [], AllMulticast = filter.AllMulticast || multicast is null,
        };
        return true;
    }

    // A table that is longer than we keep is null: then everything of its kind passes (§5.1.6.5.2.1).
    private bool ReadTable(ref long at, out byte[]? addresses)
    {
        addresses = null;
        Span<byte> count = stackalloc byte[4];
        if (!_chain.TryRead(at, count)) return false;
        uint entries = BinaryPrimitives.ReadUInt32LittleEndian(count);
        at += 4;
        if (entries > (_chain.ReadableBytes - at) / MacAddress.Bytes) return false;
        if (entries <= ReceiveFilter.MostAddresses)
        {
            addresses = new byte[entries * MacAddress.Bytes];
            _ = _chain.TryRead(at, addresses);
        }
        at += entries * MacAddress.Bytes;
        return true;
    }

    private bool SetVlan(byte command)
    {
        Span<byte> data = stackalloc byte[2];
        if (command is not (VlanAdd or VlanDelete) || !_chain.TryRead(CommandBytes, data)) return false;
        ushort vlan = BinaryPrimitives.ReadUInt16LittleEndian(data);
        if (vlan >= 4096) return false;
        card.Filter = card.Filter.WithVlan(vlan, command == VlanAdd);
        return true;
    }

    private bool SetPairs()
    {
        Span<byte> data = stackalloc byte[2];
        return _chain.TryRead(CommandBytes, data) && card.SetPairs(BinaryPrimitives.ReadUInt16LittleEndian(data));
    }
}
