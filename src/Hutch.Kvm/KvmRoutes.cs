using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Core.Interrupts;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>
/// The machine's table of interrupt routes (KVM_SET_GSI_ROUTING): what message a global system interrupt sends. The first ones are the IOAPIC's
/// pins, the others are given out. The kernel takes the table as a whole. Any thread.
/// </summary>
internal sealed unsafe class KvmRoutes(KvmDescriptor vm, int firstFree)
{
    private const int HeaderBytes = 8;

    private readonly Lock _lock = new();
    private readonly SortedDictionary<int, MsiMessage> _routes = [];
    private readonly Stack<int> _free = new();
    private int _next = firstFree;

    /// <summary>Gives out a number that has no route yet.</summary>
    internal int Take()
    {
        lock (_lock) return _free.TryPop(out int gsi) ? gsi : _next++;
    }

    /// <summary>Takes a number back, and its route out.</summary>
    internal void Return(int gsi)
    {
        lock (_lock)
        {
            if (_routes.Remove(gsi)) Send();
            _free.Push(gsi);
        }
    }

    /// <summary>Sets a route; null takes it out.</summary>
    internal void Set(int gsi, MsiMessage? message)
    {
        lock (_lock)
        {
            bool exists = _routes.TryGetValue(gsi, out MsiMessage old);
            if (message is MsiMessage route)
            {
                if (exists && route == old) return;
                _routes[gsi] = route;
            }
            else if (!_routes.Remove(gsi))
            {
                return;
            }
            Send();
        }
    }

    private void Send()
    {
        byte[] table = new byte[HeaderBytes + (_routes.Count * sizeof(KvmMsiRoute))];
        MemoryMarshal.Write(table, (uint)_routes.Count);
        Span<KvmMsiRoute> entries = MemoryMarshal.Cast<byte, KvmMsiRoute>(table.AsSpan(HeaderBytes));
        int next = 0;
        foreach ((int gsi, MsiMessage message) in _routes)
            entries[next++] = new KvmMsiRoute
            {
                Gsi = (uint)gsi,
                Type = KvmMsiRoute.MsiType,
                AddressLow = (uint)message.Address,
                AddressHigh = (uint)(message.Address >> 32),
                Data = message.Data,
            };
        // SAFETY: the header says how many entries follow, all of which are in the array.
        fixed (byte* address = table) vm.Call(KvmIoctl.SetGsiRouting, "KVM_SET_GSI_ROUTING", (nuint)address);
    }
}
