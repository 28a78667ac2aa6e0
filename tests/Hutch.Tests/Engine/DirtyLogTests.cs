using System;
using System.Collections.Generic;
using System.Linq;
using Hutch.Core.Engine;
using Hutch.Kvm;
using Hutch.Model.Machine;
using Iced.Intel;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Tests.Engine;

/// <summary>The dirty log, exact against a known pattern of writes, as bitmap and as ring.</summary>
public sealed class DirtyLogTests
{
    private const ulong First = 0x10_0000, Bytes = 4 << 20;

    [Theory, Software, Kvm]
    public void The_log_has_the_pages_that_the_guest_wrote_and_no_others(string engine)
    {
        using EngineMachine machine = new(engine, memoryBytes: Bytes);
        Check(machine, [.. Enumerable.Range(0, 256).Where(page => page * page % 7 == 2)]);
    }

    [Theory, Kvm("DirtyLogRing")]
    public void The_ring_has_them_too_and_is_emptied_when_it_is_full(string engine)
    {
        // 1024 entries for 2571 pages.
        using EngineMachine machine = new(engine, (hypervisor, memory) =>
            new KvmMachine((KvmHypervisor)hypervisor, memory, new CpuTopology(1, 1, 1), CpuModel.Max, dirtyRingBytes: 16 * 1024), 4 * Bytes);
        Check(machine, [.. Enumerable.Range(0, 3000).Where(page => page % 7 != 3)]);
    }

    [Theory, Software, Kvm]
    public void A_copy_that_follows_the_log_of_a_running_guest_ends_as_the_guest_does(string engine)
    {
        const int Count = 64, Rounds = 200;
        using EngineMachine machine = new(engine, memoryBytes: Bytes);
        machine.Place(EngineMachine.Code, 64, a =>
        {
            Label again = a.CreateLabel(), next = a.CreateLabel();
            a.Label(ref again);
            a.mov(edi, (uint)First);
            a.mov(ecx, Count);
            a.Label(ref next);
            a.inc(__dword_ptr[rdi + 0x40]);
            a.add(__dword_ptr[rdi + 0x80], ecx);
            a.add(edi, 0x1000);
            a.dec(ecx);
            a.jnz(next);
            a.@out(0x80, al);
            a.jmp(again);
        });
        machine.EnterLong(EngineMachine.Code);
        IDirtyLog log = machine.Machine.DirtyLog!;
        byte[] copy = new byte[Count << 12], last = new byte[copy.Length];
        log.Start();
        Assert.True(machine.Memory.TryCopyOut(First, copy));
        VcpuRunner runner = machine.Start();
        for (int round = 0; round < Rounds; round++)
        {
            // It has been round since, so that each answer has something in it.
            Assert.True(machine.Exits.WaitForPort());
            machine.Exits.ForgetPort();
            Follow(machine, log, copy);
        }
        Assert.Equal(VcpuStop.Requested, runner.Stop());
        Follow(machine, log, copy);
        Assert.True(machine.Memory.TryCopyOut(First, last));
        Assert.True(copy.AsSpan().SequenceEqual(last));
        Assert.NotEqual(0, BitConverter.ToInt32(last, 0x40));
        log.Stop();
    }

    private static void Follow(EngineMachine machine, IDirtyLog log, byte[] copy)
    {
        foreach (int page in Pages(log))
        {
            int offset = (page << 12) - (int)First;
            if (offset >= 0 && offset < copy.Length) machine.Memory.TryCopyOut((ulong)page << 12, copy.AsSpan(offset, 4096));
        }
    }

    private static void Check(EngineMachine machine, int[] written)
    {
        IDirtyLog log = machine.Machine.DirtyLog!;
        WriteProgram(machine);
        ulong[] list = [.. written.Select(page => First + ((ulong)page << 12))];
        for (int i = 0; i < list.Length; i++) machine.Memory.TryWrite(0x2_0000 + ((ulong)i * 8), list[i]);
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();                     // every page has been touched before
        log.Start();
        machine.EnterLong(EngineMachine.Code);
        Assert.Equal([], Pages(log).Where(page => page >= 0x100));
        machine.RunToEnd();
        Assert.Equal(written.Select(page => page + 0x100), Pages(log).Where(page => page >= 0x100));
        Assert.Empty(Pages(log));
        machine.Memory.TryWrite(First + 0x5123, (byte)1);
        Assert.Equal([0x105], Pages(log));
        machine.EnterLong(EngineMachine.Code);
        machine.RunToEnd();
        Assert.Equal(written.Select(page => page + 0x100), Pages(log).Where(page => page >= 0x100));
        log.Stop();
    }

    // Writes to each address of the list at 0x20000, which a zero ends, and reads the page behind.
    private static void WriteProgram(EngineMachine machine) => machine.Place(EngineMachine.Code, 64, a =>
    {
        Label next = a.CreateLabel(), end = a.CreateLabel();
        a.mov(esi, 0x2_0000);
        a.Label(ref next);
        a.mov(rdi, __qword_ptr[rsi]);
        a.test(rdi, rdi);
        a.jz(end);
        a.mov(__byte_ptr[rdi + 0x123], al);
        // KVM without hardware virtualization executes a thousand instructions before it looks at how full the ring is.
        a.@out(0x80, al);
        a.add(esi, 8);
        a.jmp(next);
        a.Label(ref end);
        a.@out(EngineMachine.EndPort, al);
    });

    private static List<int> Pages(IDirtyLog log)
    {
        ulong[] bitmap = new ulong[(log.PageCount + 63) / 64];
        log.Take(bitmap);
        return [.. Enumerable.Range(0, log.PageCount).Where(page => (bitmap[page / 64] >> (page % 64) & 1) != 0)];
    }
}
