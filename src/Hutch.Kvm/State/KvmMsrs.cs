using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm.State;

/// <summary>The MSRs that belong to the state of one vCPU, but for those that other parts of the record hold.</summary>
internal sealed unsafe class KvmMsrs(KvmDescriptor vcpu)
{
    private const int HeaderBytes = 8, MostAtOnce = 256;
    private const uint Tsc = 0x10, ApicBase = 0x1b, TscDeadline = 0x6e0, KvmWallClock = 0x4b56_4d00, KvmWallClockOld = 0x11, KvmSystemTimeOld = 0x12;
    private const uint Efer = 0xc000_0080, FsBase = 0xc000_0100, GsBase = 0xc000_0101;

    // MTRRs, which KVM does not list: 8 variable pairs, the fixed ones, the default type (Intel SDM 3A §12.11).
    private static readonly uint[] MemoryTypes =
    [
        0x200, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0x208, 0x209, 0x20a, 0x20b, 0x20c, 0x20d, 0x20e, 0x20f,
        0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f, 0x2ff,
    ];

    private uint[] _indexes = [];

    /// <summary>Decides which MSRs are saved: those of the kernel's list that this vCPU can read now, after it was given its CPUID.</summary>
    internal void Find(uint[] listed)
    {
        List<uint> found = [];
        foreach (uint index in (uint[])[.. MemoryTypes, .. listed])
            if (!IsElsewhere(index) && TryRead(index, out _)) found.Add(index);
        // The deadline arms the timer, whose mode must be right by then.
        if (TryRead(TscDeadline, out _)) found.Add(TscDeadline);
        _indexes = [.. found];
    }

    /// <summary>Reads them all.</summary>
    internal void Save(Dictionary<uint, ulong> msrs)
    {
        Span<KvmMsrEntry> entries = new KvmMsrEntry[_indexes.Length];
        for (int i = 0; i < entries.Length; i++) entries[i] = new KvmMsrEntry { Index = _indexes[i] };
        for (int first = 0; first < entries.Length;)
        {
            int read = Transfer(KvmIoctl.GetMsrs, entries[first..]);
            for (int i = first; i < first + read; i++) msrs[entries[i].Index] = entries[i].Value;
            // The kernel stops at one that it does not give: that one is left out.
            first += read + (read == Math.Min(entries.Length - first, MostAtOnce) ? 0 : 1);
        }
    }

    /// <summary>
    /// Sets those of a record that the kernel takes. Values that it refuses are left out, as a guest's WRMSR would be refused; records of another
    /// engine have MSRs that are not there.
    /// </summary>
    internal void Restore(Dictionary<uint, ulong> msrs)
    {
        List<KvmMsrEntry> entries = [];
        foreach ((uint index, ulong value) in msrs)
            // The wall clock is written into guest RAM once; that RAM has been restored with it.
            if (!IsElsewhere(index) && index is not KvmWallClock) entries.Add(new KvmMsrEntry { Index = index, Value = value });
        if (msrs.TryGetValue(TscDeadline, out ulong deadline)) entries.Add(new KvmMsrEntry { Index = TscDeadline, Value = deadline });
        Span<KvmMsrEntry> all = CollectionsMarshal.AsSpan(entries);
        for (int first = 0; first < all.Length;)
        {
            int written = Transfer(KvmIoctl.SetMsrs, all[first..]);
            first += written + (written == Math.Min(all.Length - first, MostAtOnce) ? 0 : 1);
        }
    }

    /// <summary>Reads one MSR. False: there is none.</summary>
    internal bool TryRead(uint index, out ulong value)
    {
        KvmMsrEntry entry = new() { Index = index };
        bool read = Transfer(KvmIoctl.GetMsrs, new Span<KvmMsrEntry>(ref entry)) == 1;
        value = entry.Value;
        return read;
    }

    /// <summary>Writes one MSR as the host may. False: refused.</summary>
    internal bool TryWrite(uint index, ulong value)
    {
        KvmMsrEntry entry = new() { Index = index, Value = value };
        return Transfer(KvmIoctl.SetMsrs, new Span<KvmMsrEntry>(ref entry)) == 1;
    }

    // Held by SREGS, by the machine's clock, or set last; counters of the PMU, which guests are not offered; the old numbers of KVM's clock.
    private static bool IsElsewhere(uint index) => index is Tsc or ApicBase or Efer or FsBase or GsBase or TscDeadline or KvmWallClockOld or KvmSystemTimeOld
        or (>= 0xc1 and <= 0xc8) or (>= 0x186 and <= 0x18d) or (>= 0x309 and <= 0x30b) or 0x345 or (>= 0x38d and <= 0x390) or 0x3f1 or (>= 0x4c1 and <= 0x4c8)
        or (>= 0xc001_0000 and <= 0xc001_0007) or (>= 0xc001_0200 and <= 0xc001_020b) or (>= 0xc000_0300 and <= 0xc000_0303)
        or (>= 0x4000_0000 and <= 0x4000_01ff) or (>= 0x480 and <= 0x493) or (>= 0x800 and <= 0x8ff);

    // Returns how many the kernel did before one that it refused.
    private int Transfer(uint request, Span<KvmMsrEntry> entries)
    {
        int count = Math.Min(entries.Length, MostAtOnce);
        byte[] list = new byte[HeaderBytes + (count * sizeof(KvmMsrEntry))];
        MemoryMarshal.Write(list, (uint)count);
        Span<KvmMsrEntry> body = MemoryMarshal.Cast<byte, KvmMsrEntry>(list.AsSpan(HeaderBytes));
        entries[..count].CopyTo(body);
        int done;
        // SAFETY: the header says how many entries follow, all of which are in the array.
        fixed (byte* address = list) done = vcpu.Try(request, (nuint)address);
        body.CopyTo(entries);
        return Math.Max(done, 0);
    }
}
