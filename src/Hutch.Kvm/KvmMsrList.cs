using System;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>Which MSRs the kernel knows.</summary>
internal static unsafe class KvmMsrList
{
    private const int TooBig = 7, MostEntries = 4096;

    /// <summary>KVM_GET_MSR_INDEX_LIST: the MSRs that make up a vCPU's state, but for MTRRs, which it does not name.</summary>
    internal static uint[] Query(KvmDescriptor system)
    {
        for (int room = 256; ; room *= 2)
        {
            uint[] list = new uint[1 + room];
            list[0] = (uint)room;
            int result;
            // SAFETY: the kernel writes no more numbers than the first word allows.
            fixed (uint* address = list) result = system.Try(KvmIoctl.GetMsrIndexList, (nuint)address);
            if (result == -TooBig && room < MostEntries) continue;
            system.Check(result, "KVM_GET_MSR_INDEX_LIST");
            return list.AsSpan(1, (int)Math.Min(list[0], (uint)room)).ToArray();
        }
    }
}
