using System;
using Hutch.Core.Memory;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Tests.Engine;

/// <summary>Memory of a device that the guest sees as its own, and what a device has in place of RAM.</summary>
public sealed class DeviceMemoryTests
{
    private const ulong First = 0xd000_0000, Second = 0xd040_0000;

    [Theory, Software, Kvm]
    public void The_guest_reads_and_writes_it_where_it_is_and_nowhere_else(string engine)
    {
        using EngineMachine machine = new(engine);
        DeviceMemory memory = machine.Memory.Layout.AddDeviceMemory("frame buffer", 1 << 20);
        memory.Place(First);
        memory.WriteWord(0x1_0000, 0x1111_1111);
        machine.Exits.Answers[Second + 0x1_0000] = 0x7777_7777;
        void Run()
        {
            machine.Place(EngineMachine.Code, 64, a =>
            {
                a.mov(ebx, (uint)First + 0x1_0000);
                a.mov(esi, (uint)Second + 0x1_0000);
                a.mov(ecx, 200);
                var again = a.CreateLabel();
                a.Label(ref again);
                a.mov(__dword_ptr[rbx + rcx * 4], ecx);
                a.dec(ecx);
                a.jne(again);
                a.mov(eax, __dword_ptr[rbx]);
                a.mov(edx, __dword_ptr[rsi]);
                a.@out(EngineMachine.EndPort, al);
            });
            machine.EnterLong(EngineMachine.Code);
            machine.RunToEnd();
        }

        Run();
        Assert.Equal(0x1111_1111ul, machine.Saved().Gpr[0]);
        Assert.Equal(0x7777_7777ul, machine.Saved().Gpr[2]);
        Assert.Equal(200u, memory.ReadWord(0x1_0000 + 800));

        memory.Place(Second);
        memory.Clear();
        machine.Exits.Answers[First + 0x1_0000] = 0x5555_5555;
        memory.WriteWord(0x1_0000, 0x2222_2222);
        Run();
        Assert.Equal(0x5555_5555ul, machine.Saved().Gpr[0]);
        Assert.Equal(0x2222_2222ul, machine.Saved().Gpr[2]);
        Assert.Equal(0u, memory.ReadWord(0x1_0000 + 800));
    }

    [Theory, Software, Kvm]
    public void Hidden_segments_are_the_machines_and_not_ram(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Memory.TryWrite(0xa_0000, 0x4444_4444u);
        machine.Exits.Answers[0xa_0000] = 0x6666_6666;
        void Run()
        {
            machine.Place(EngineMachine.Code, 64, a =>
            {
                a.mov(ebx, 0xa_0000);
                a.mov(eax, __dword_ptr[rbx]);
                a.mov(__dword_ptr[rbx + 4], eax);
                a.mov(ecx, __dword_ptr[rbx - 4]);
                a.@out(EngineMachine.EndPort, al);
            });
            machine.EnterLong(EngineMachine.Code);
            machine.RunToEnd();
        }

        machine.Memory.TryWrite(0x9_fffc, 0x3333_3333u);
        Run();
        Assert.Equal(0x4444_4444ul, machine.Saved().Gpr[0]);
        machine.Memory.Layout.HideSegments(0xffUL << 40);
        machine.Memory.TryWrite(0xa_0004, 0u);
        Run();
        Assert.Equal(0x6666_6666ul, machine.Saved().Gpr[0]);
        Assert.Equal(0x3333_3333ul, machine.Saved().Gpr[1]);
        Assert.True(machine.Memory.TryRead(0xa_0004, out uint under));
        Assert.Equal(0u, under);
    }

    [Fact]
    public void There_is_only_so_much_of_it()
    {
        using GuestMemory memory = GuestMemory.Create(4 << 20);
        memory.Layout.AddDeviceMemory("one", MemoryLayout.MostDeviceBytes);
        Assert.Throws<ArgumentOutOfRangeException>(() => memory.Layout.AddDeviceMemory("two", 4096));
    }

    // Code in it runs too, and is seen to change: none is kept.
    [Theory, Software, Kvm]
    public void Code_in_it_is_executed_as_it_is_now(string engine)
    {
        using EngineMachine machine = new(engine);
        DeviceMemory memory = machine.Memory.Layout.AddDeviceMemory("frame buffer", 1 << 20);
        memory.Place(First);
        foreach (uint number in (uint[])[5, 6])
        {
            // mov ecx, number; ret
            memory.Write(0, [0xb9, (byte)number, 0, 0, 0, 0xc3]);
            machine.Place(EngineMachine.Code, 64, a =>
            {
                a.mov(eax, (uint)First);
                a.call(rax);
                a.@out(EngineMachine.EndPort, al);
            });
            machine.EnterLong(EngineMachine.Code);
            machine.RunToEnd();
            Assert.Equal(number, machine.Saved().Gpr[1]);
        }
    }
}
