using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using Hutch.Core.State;

namespace Hutch.Core.Engine;

/// <summary>The fields of <see cref="X86VcpuState"/> in a saved state: one line for each, for both directions and every engine.</summary>
public static class VcpuStateFields
{
    private const int MostMsrs = 4096, MsrBytes = 12, NoVector = -1;

    /// <summary>Saves or restores a record. What the numbers mean is the engine's to check.</summary>
    public static void Exchange(StateFields fields, X86VcpuState state)
    {
        fields.Numbers("gpr", state.Gpr);
        state.Rip = Number(fields, "rip", state.Rip);
        state.Rflags = Number(fields, "rflags", state.Rflags);
        ExchangeSegments(fields, state.Segments);
        state.Gdtr = Table(fields, "gdtr", state.Gdtr);
        state.Idtr = Table(fields, "idtr", state.Idtr);
        state.Cr0 = Number(fields, "cr0", state.Cr0);
        state.Cr2 = Number(fields, "cr2", state.Cr2);
        state.Cr3 = Number(fields, "cr3", state.Cr3);
        state.Cr4 = Number(fields, "cr4", state.Cr4);
        state.Cr8 = Number(fields, "cr8", state.Cr8);
        state.Efer = Number(fields, "efer", state.Efer);
        state.Xcr0 = Number(fields, "xcr0", state.Xcr0);
        fields.Numbers("debug", state.DebugRegisters);
        fields.Bytes("xsave", state.XsaveArea);
        ExchangeMsrs(fields, state.Msrs);
        fields.Bytes("apic", state.LocalApic);
        state.Activity = (VcpuActivity)Signed(fields, "activity", (int)state.Activity, 0, (int)VcpuActivity.WaitForSipi);
        state.InterruptShadow = Flag(fields, "interrupt-shadow", state.InterruptShadow);
        state.NmiBlocked = Flag(fields, "nmi-blocked", state.NmiBlocked);
        state.NmiPending = Flag(fields, "nmi-pending", state.NmiPending);
        int interrupt = Signed(fields, "pending-interrupt", state.PendingInterrupt ?? NoVector, NoVector, 255);
        state.PendingInterrupt = interrupt == NoVector ? null : (byte)interrupt;
        fields.Group("pending-exception", group => ExchangeException(group, state));
    }

    private static void ExchangeException(StateFields fields, X86VcpuState state)
    {
        int vector = Signed(fields, "vector", state.PendingException?.Vector ?? NoVector, NoVector, 31);
        bool hasError = Flag(fields, "has-error", state.PendingException?.HasError ?? false);
        uint error = state.PendingException?.Error ?? 0;
        fields.Value("error", ref error);
        state.PendingException = vector == NoVector ? null : new PendingException((byte)vector, hasError, error);
    }

    private static void ExchangeSegments(StateFields fields, SegmentState[] segments)
    {
        ulong[] bases = new ulong[segments.Length], limits = new ulong[segments.Length];
        ulong[] attributes = new ulong[segments.Length], selectors = new ulong[segments.Length];
        for (int i = 0; i < segments.Length; i++)
            (bases[i], limits[i], attributes[i], selectors[i]) = (segments[i].Base, segments[i].Limit, segments[i].Attributes, segments[i].Selector);
        fields.Numbers("segment-bases", bases);
        fields.Numbers("segment-limits", limits);
        fields.Numbers("segment-attributes", attributes);
        fields.Numbers("segment-selectors", selectors);
        for (int i = 0; i < segments.Length; i++)
        {
            segments[i] = new SegmentState
            {
                Base = bases[i], Limit = (uint)limits[i], Attributes = (uint)attributes[i], Selector = (ushort)selectors[i],
            };
        }
    }

    // Index and value of each, in the order of their indexes.
    private static void ExchangeMsrs(StateFields fields, Dictionary<uint, ulong> msrs)
    {
        uint[] indexes = [.. msrs.Keys];
        Array.Sort(indexes);
        byte[] saved = new byte[indexes.Length * MsrBytes];
        for (int i = 0; i < indexes.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(saved.AsSpan(i * MsrBytes), indexes[i]);
            BinaryPrimitives.WriteUInt64LittleEndian(saved.AsSpan((i * MsrBytes) + 4), msrs[indexes[i]]);
        }
        saved = fields.Blob("msrs", saved, MostMsrs * MsrBytes);
        fields.Require(saved.Length % MsrBytes == 0, "msrs");
        msrs.Clear();
        for (int at = 0; at < saved.Length; at += MsrBytes)
            msrs[BinaryPrimitives.ReadUInt32LittleEndian(saved.AsSpan(at))] = BinaryPrimitives.ReadUInt64LittleEndian(saved.AsSpan(at + 4));
    }

    private static TableState Table(StateFields fields, string name, TableState table)
    {
        fields.Group(name, group =>
        {
            group.Value("base", ref table.Base);
            group.Value("limit", ref table.Limit);
        });
        return table;
    }

    private static ulong Number(StateFields fields, string name, ulong value)
    {
        fields.Value(name, ref value);
        return value;
    }

    private static int Signed(StateFields fields, string name, int value, int least, int most)
    {
        fields.Value(name, ref value, least, most);
        return value;
    }

    private static bool Flag(StateFields fields, string name, bool value)
    {
        fields.Value(name, ref value);
        return value;
    }
}
