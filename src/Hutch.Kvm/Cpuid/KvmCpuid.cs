using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Hutch.Core.Cpuid;
using Hutch.Kvm.Abi;
using Hutch.Kvm.State;

namespace Hutch.Kvm.Cpuid;

/// <summary>CPUID between the kernel's lists (KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2) and the machine's table.</summary>
internal static unsafe class KvmCpuid
{
    private const int TooBig = 7, MostEntries = 4096, HeaderBytes = 8;
    private const uint TscDeadline = 1 << 24, X2Apic = 1 << 21, Hypervisor = 1u << 31, AlwaysRunningTimer = 1 << 2, ArchCapabilitiesMsr = 0x10a;

    // One tick of the in-kernel local APIC's timer is a nanosecond (linux/arch/x86/kvm/lapic.h, APIC_BUS_CYCLE_NS).
    private const uint ApicTimerKhz = 1_000_000;

    /// <summary>What KVM can give guests on this host.</summary>
    internal static EngineCpuid Query(KvmDescriptor system, KvmCapabilities capabilities)
    {
        KvmCpuidEntry[] leaves = Supported(system);
        // What KVM gives and leaves to us to say (linux/Documentation/virt/kvm/api.rst §4.45): the local APIC's modes and timer, and that this is a guest.
        uint apic = X2Apic | Hypervisor | (capabilities[KvmCap.TscDeadlineTimer] != 0 ? TscDeadline : 0);
        foreach (ref KvmCpuidEntry entry in leaves.AsSpan())
        {
            if (entry.Leaf == 1) entry.Ecx |= apic;
            if (entry.Leaf == 6) entry.Eax |= AlwaysRunningTimer;
        }
        // On the system's descriptor KVM_GET_MSRS reads feature MSRs; 0 where KVM has no such one.
        _ = new KvmMsrs(system).TryRead(ArchCapabilitiesMsr, out ulong archCapabilities);
        return new EngineCpuid("kvm", (leaf, subleaf) => Answer(leaves, leaf, subleaf), ApicTimerKhz, archCapabilities);
    }

    private static CpuidRegisters Answer(KvmCpuidEntry[] leaves, uint leaf, uint subleaf)
    {
        foreach (ref KvmCpuidEntry entry in leaves.AsSpan())
            if (entry.Leaf == leaf && ((entry.Flags & KvmCpuidEntry.SubleafCounts) == 0 || entry.Subleaf == subleaf))
                return new CpuidRegisters(entry.Eax, entry.Ebx, entry.Ecx, entry.Edx);
        return leaf == 6 ? new CpuidRegisters(AlwaysRunningTimer, 0, 0, 0) : default;
    }

    /// <summary>Hands a vCPU its CPUID.</summary>
    internal static void Set(KvmDescriptor vcpu, IEnumerable<CpuidEntry> table)
    {
        List<KvmCpuidEntry> entries = [];
        foreach (CpuidEntry entry in table)
            entries.Add(new KvmCpuidEntry
            {
                Leaf = entry.Leaf,
                Subleaf = entry.Subleaf,
                Flags = entry.IsIndexed ? KvmCpuidEntry.SubleafCounts : 0,
                Eax = entry.Registers.Eax,
                Ebx = entry.Registers.Ebx,
                Ecx = entry.Registers.Ecx,
                Edx = entry.Registers.Edx,
            });
        byte[] list = new byte[HeaderBytes + (entries.Count * sizeof(KvmCpuidEntry))];
        MemoryMarshal.Write(list, (uint)entries.Count);
        MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(entries)).CopyTo(list.AsSpan(HeaderBytes));
        // SAFETY: the kernel reads the header and as many entries as it says, all of which are in the array.
        fixed (byte* address = list) vcpu.Call(KvmIoctl.SetCpuid2, "KVM_SET_CPUID2", (nuint)address);
    }

    private static KvmCpuidEntry[] Supported(KvmDescriptor system)
    {
        for (int room = 128; ; room *= 2)
        {
            byte[] list = new byte[HeaderBytes + (room * sizeof(KvmCpuidEntry))];
            MemoryMarshal.Write(list, (uint)room);
            int result;
            // SAFETY: the kernel writes no more entries than the header allows.
            fixed (byte* address = list) result = system.Try(KvmIoctl.GetSupportedCpuid, (nuint)address);
            if (result == -TooBig && room < MostEntries) continue;
            system.Check(result, "KVM_GET_SUPPORTED_CPUID");
            int count = (int)Math.Min(MemoryMarshal.Read<uint>(list), (uint)room);
            return MemoryMarshal.Cast<byte, KvmCpuidEntry>(list.AsSpan(HeaderBytes))[..count].ToArray();
        }
    }
}
