using System;
using System.Collections.Generic;
using Hutch.Block.Tests;
using Hutch.Core.Engine;
using Hutch.Host.Linux;
using Hutch.Kvm;
using Hutch.Kvm.Abi;
using Iced.Intel;
using Xunit;
using static Iced.Intel.AssemblerRegisters;

namespace Hutch.Tests.Engine;

/// <summary>What is KVM's alone: the cost of an exit, failures of its emulator, why it cannot be opened.</summary>
public sealed class KvmVcpuTests
{
    [Theory, Kvm]
    public void Exits_allocate_nothing(string engine)
    {
        using EngineMachine machine = new(engine);
        CountingExits exits = new(machine.Boot);
        machine.Place(EngineMachine.Code, 64, a =>
        {
            Label next = a.CreateLabel();
            a.mov(ebx, 0xd000_0000);
            a.Label(ref next);
            a.@out(0x80, al);
            a.@in(eax, 0x60);
            a.mov(__qword_ptr[rbx], rax);
            a.mov(rcx, __qword_ptr[rbx]);
            a.jmp(next);
        });
        machine.EnterLong(EngineMachine.Code);
        VcpuStop stop = default;
        Assert.Equal(0, ManagedMemory.Taken(() => stop = machine.Boot.Run(exits)));
        Assert.Equal(VcpuStop.Requested, stop);
        Assert.True(exits.Count >= CountingExits.PerRun);
    }

    /// <summary>Only a KVM without hardware virtualization fails here; on another the guest ends as it should.</summary>
    [Theory, Kvm]
    public void An_instruction_that_KVM_cannot_execute_is_named(string engine)
    {
        using EngineMachine machine = new(engine);
        machine.Place(EngineMachine.Code, 64, a =>
        {
            a.mov(ecx, 0xff);
            a.popcnt(eax, ecx);
            a.@out(EngineMachine.EndPort, al);
        });
        machine.EnterLong(EngineMachine.Code);
        VcpuStop stop = machine.Boot.Run(machine.Exits);
        if (stop == VcpuStop.Requested)
        {
            Assert.Equal(8u, machine.Result);
            return;
        }
        Assert.Equal(VcpuStop.Failed, stop);
        Assert.Contains("f30fb8c1", machine.Boot.Failure!.Sentence, StringComparison.Ordinal);
        Assert.Contains("RIP 0x10005", machine.Boot.Failure!.Sentence, StringComparison.Ordinal);
        Assert.Equal(EngineMachine.Code + 5, machine.Saved().Rip);
    }

    [Theory]
    [InlineData(2, "there is no /dev/kvm; load the module")]
    [InlineData(13, "not for this user; join the group")]
    [InlineData(19, "there is no /dev/kvm; load the module")]
    [InlineData(24, "does not work: /dev/kvm: open failed")]
    public void Why_the_device_cannot_be_opened_is_said(int errno, string words)
    {
        KvmUnavailableException refused = Assert.Throws<KvmUnavailableException>(() => KvmHypervisor.Open(new NoDevice { OpenResult = -errno }));
        Assert.Contains(words, refused.Message, StringComparison.Ordinal);
        Assert.Contains("--engine software", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_old_interface_is_refused()
    {
        NoDevice device = new() { OpenResult = 9, Results = { [KvmIoctl.GetApiVersion] = 11 } };
        Assert.Contains("version 11 of the interface, not 12; use a newer kernel", Assert.Throws<KvmUnavailableException>(() => KvmHypervisor.Open(device)).Message, StringComparison.Ordinal);
        Assert.True(device.IsClosed);
    }

    [Fact]
    public void Missing_capabilities_are_named()
    {
        NoDevice device = new() { OpenResult = 9, Results = { [KvmIoctl.GetApiVersion] = 12, [KvmIoctl.CheckExtension] = 0 } };
        Assert.Contains("SplitIrqchip (local APICs", Assert.Throws<KvmUnavailableException>(() => KvmHypervisor.Open(device)).Message, StringComparison.Ordinal);
        Assert.True(device.IsClosed);
    }

    private sealed class CountingExits(IVcpu vcpu) : IVcpuExits
    {
        internal const int PerRun = 500;

        internal int Count { get; private set; }

        public void ReadPort(ushort port, Span<byte> data) => Next();

        public void WritePort(ushort port, ReadOnlySpan<byte> data) => Next();

        public void ReadMmio(ulong address, Span<byte> data) => Next();

        public void WriteMmio(ulong address, ReadOnlySpan<byte> data) => Next();

        public void EndOfInterrupt(byte vector) { }

        public int AcknowledgeExternalInterrupt() => -1;

        private void Next()
        {
            if (++Count % PerRun == 0) vcpu.RequestStop();
        }
    }

    private sealed class NoDevice : IDeviceCalls
    {
        internal required int OpenResult { get; init; }

        internal Dictionary<uint, int> Results { get; } = [];

        internal bool IsClosed { get; private set; }

        public int Open(string path) => OpenResult;

        public int Ioctl(int fd, uint request, nuint argument) => Results.GetValueOrDefault(request, -22);

        public nint Map(int fd, nuint lengthBytes, nint offset) => -22;

        public void Unmap(nint address, nuint lengthBytes) { }

        public void Close(int fd) => IsClosed = true;
    }
}
