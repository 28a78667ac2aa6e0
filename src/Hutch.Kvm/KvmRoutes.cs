using System;
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
    private MsiMessage?[] _routes = new MsiMessage?[2 * firstFree];
    private bool[] _taken = new bool[2 * firstFree];

    /// <summary>Gives out a number that has no route yet.</summary>
    internal int Take()
    {
        lock (_lock)
        {
            int gsi = firstFree;
            while (gsi < _taken.Length && _taken[gsi]) gsi++;
            if (gsi == _taken.Length)
            {
                Array.Resize(ref _taken, 2 * gsi);
                Array.Resize(ref _routes, 2 * gsi);
            }
            _taken[gsi] = true;
            return gsi;
        }
    }

    /// <summary>Takes a number back, and its route out.</summary>
    internal void Return(int gsi)
    {
        lock (_lock)
        {
            Set(gsi, null);
            _taken[gsi] = false;
        }
    }

    /// <summary>Sets a route; null takes it out.</summary>
    internal void Set(int gsi, MsiMessage? message)
    {
        lock (_lock)
        {
            if (_routes[gsi] == message) return;
            _routes[gsi] = message;
            Send();
        }
    }

    private void Send()
    {
        byte[] table = new byte[HeaderBytes + (_routes.Length * sizeof(KvmMsiRoute))];
        // SAFETY: the array has room for a route of each number; the header says how many entries follow.
        fixed (byte* address = table)
        {
            KvmMsiRoute* next = (KvmMsiRoute*)(address + HeaderBytes);
            for (int gsi = 0; gsi < _routes.Length; gsi++)
            {
                if (_routes[gsi] is not MsiMessage message) continue;
                *next++ = new KvmMsiRoute
                {
                    Gsi = (uint)gsi,
                    Type = KvmMsiRoute.MsiType,
                    AddressLow = (uint)message.Address,
                    AddressHigh = (uint)(message.Address >> 32),
                    Data = message.Data,
                };
            }
            *(uint*)address = (uint)(next - (KvmMsiRoute*)(address + HeaderBytes));
            vm.Call(KvmIoctl.SetGsiRouting, "KVM_SET_GSI_ROUTING", (nuint)address);
        }
    }
}
