using System;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Core.Engine;
using Hutch.Host.Linux;
using Hutch.Kvm.Abi;
using Hutch.Kvm.Cpuid;
using Hutch.Kvm.State;

namespace Hutch.Kvm;

/// <summary>
/// One vCPU of KVM. <see cref="Run"/> serves what the kernel hands out, on the vCPU's thread; nothing of it allocates.
/// <para>
/// A stop is never taken in the middle of an access: a request sets <see cref="KvmRun.ImmediateExit"/>, so that the next KVM_RUN completes what
/// is pending (the destination of an IN is written, the instruction pointer moves on) and returns EINTR, and only there the loop looks for requests.
/// The requester sets its word first, then that byte, then sends the signal; the loop clears the byte first and then looks at the words. So
/// a request is seen, or it makes the next KVM_RUN return.
/// </para>
/// </summary>
internal sealed unsafe class KvmVcpu : IVcpu
{
    private const int Interrupted = 4, TryAgain = 11, Lint0 = 0x350;
    private const uint Masked = 1 << 16;

    private readonly KvmMachine _machine;
    private readonly KvmRun* _run;
    private readonly X86VcpuState _powerOn = new();
    private int _thread, _managedThread;
    private bool _stopRequested, _externalInterrupt;

    internal KvmVcpu(KvmMachine machine, int index)
    {
        _machine = machine;
        Index = index;
        ApicId = (uint)machine.Topology.ApicId(index);
        KvmDescriptor vm = machine.Vm;
        Descriptor = new KvmDescriptor(vm.Calls, vm.Call(KvmIoctl.CreateVcpu, "KVM_CREATE_VCPU", ApicId), $"vCPU {index} in KVM");
        try
        {
            _run = Descriptor.MapRun(machine.Hypervisor.VcpuMapBytes);
        }
        catch
        {
            Descriptor.Dispose();
            throw;
        }
        Msrs = new KvmMsrs(Descriptor);
        Registers = new KvmRegisters(this);
    }

    /// <inheritdoc/>
    public int Index { get; }

    /// <summary>The local APIC's id, by which KVM knows the vCPU.</summary>
    internal uint ApicId { get; }

    /// <inheritdoc/>
    public VcpuFailure? Failure { get; private set; }

    /// <summary>The vCPU's descriptor.</summary>
    internal KvmDescriptor Descriptor { get; }

    /// <summary>The MSRs that belong to its state.</summary>
    internal KvmMsrs Msrs { get; }

    /// <summary>The rest of its state.</summary>
    internal KvmRegisters Registers { get; }

    /// <summary>Gives the vCPU its CPUID and takes down the state after power-on. All vCPUs exist.</summary>
    internal void SetUp()
    {
        KvmCpuid.Set(Descriptor, _machine.Cpuid.All(ApicId, () => (ulong)Descriptor.Call(KvmIoctl.GetTscKhz, "KVM_GET_TSC_KHZ")));
        // What these read as depends on CPUID.
        Msrs.Find(_machine.Hypervisor.Msrs);
        Registers.Save(_powerOn);
        MaskLint0(_powerOn);
        Reset();
    }

    /// <inheritdoc/>
    public VcpuStop Run(IVcpuExits exits)
    {
        _managedThread = Environment.CurrentManagedThreadId;
        Volatile.Write(ref _thread, ThreadKick.CurrentThread);
        KvmRun* run = _run;
        IDeviceCalls calls = Descriptor.Calls;
        int descriptor = Descriptor.Number;
        try
        {
            while (true)
            {
                if (Volatile.Read(ref _externalInterrupt) || run->RequestInterruptWindow != 0) OfferExternalInterrupt(exits);
                int result = calls.Ioctl(descriptor, KvmIoctl.Run, 0);
                if (result == -Interrupted)
                {
                    run->ImmediateExit = 0;
                    Interlocked.MemoryBarrier();
                    if (!Volatile.Read(ref _stopRequested)) continue;
                    Volatile.Write(ref _stopRequested, false);
                    return VcpuStop.Requested;
                }
                // A vCPU that waited for its start-up has got it.
                if (result == -TryAgain) continue;
                if (result < 0) return Fail(new VcpuFailure($"KVM_RUN failed: {new LinuxException("ioctl", -result, "the vCPU").Message.TrimEnd('.')}"));
                switch (run->ExitReason)
                {
                    case KvmExit.Io: ServePort(exits); break;
                    case KvmExit.Mmio: ServeMmio(exits); break;
                    case KvmExit.IoapicEoi: exits.EndOfInterrupt(run->EoiVector); break;
                    case KvmExit.IrqWindowOpen or KvmExit.Interrupted or KvmExit.Hlt: break;
                    case KvmExit.DirtyRingFull: _machine.Ring?.MakeRoom(); break;
                    case KvmExit.Shutdown: return VcpuStop.TripleFault;
                    default: return Fail(KvmFailure.Describe(this, run));
                }
            }
        }
        finally
        {
            Volatile.Write(ref _thread, 0);
        }
    }

    /// <inheritdoc/>
    public void RequestStop()
    {
        Volatile.Write(ref _stopRequested, true);
        Kick();
    }

    /// <summary>The level of LINT0. Any thread.</summary>
    internal void SetExternalInterrupt(bool asserted)
    {
        Volatile.Write(ref _externalInterrupt, asserted);
        if (asserted && Environment.CurrentManagedThreadId != Volatile.Read(ref _managedThread)) Kick();
    }

    /// <inheritdoc/>
    public void Reset()
    {
        Failure = null;
        Registers.Restore(_powerOn);
    }

    /// <inheritdoc/>
    public void SaveRegisters(X86VcpuState state) => Registers.Save(state);

    /// <inheritdoc/>
    public void RestoreRegisters(X86VcpuState state) => Registers.Restore(state);

    private void Kick()
    {
        Interlocked.MemoryBarrier();
        Volatile.Write(ref _run->ImmediateExit, 1);
        int thread = Volatile.Read(ref _thread);
        if (thread != 0) ThreadKick.Send(thread);
    }

    // KVM leaves the boot processor's LINT0 as firmware does (KVM_X86_QUIRK_LINT0_REENABLED); after a reset of the hardware it is masked.
    private static void MaskLint0(X86VcpuState state) => MemoryMarshal.Write(state.LocalApic.AsSpan(Lint0), Masked);

    private void ServePort(IVcpuExits exits)
    {
        KvmRun* run = _run;
        int size = run->IoSize;
        byte* data = (byte*)run + run->IoDataOffset;
        // SAFETY: the kernel keeps count times size bytes there, within the mapping, until the next KVM_RUN.
        for (uint left = run->IoCount; left != 0; left--, data += size)
        {
            if (run->IoIsOut != 0) exits.WritePort(run->IoPort, new ReadOnlySpan<byte>(data, size));
            else exits.ReadPort(run->IoPort, new Span<byte>(data, size));
        }
    }

    private void ServeMmio(IVcpuExits exits)
    {
        KvmRun* run = _run;
        // SAFETY: the kernel's length is at most the eight bytes of the field.
        if (run->MmioIsWrite != 0) exits.WriteMmio(run->MmioAddress, new ReadOnlySpan<byte>(run->MmioData, (int)run->MmioLength));
        else exits.ReadMmio(run->MmioAddress, new Span<byte>(run->MmioData, (int)run->MmioLength));
    }

    // The PIC's vector is put where a vector lies that the processor has begun to deliver: unlike one handed over by KVM_INTERRUPT it is
    // part of the state that can be read, so that a save right after it does not lose it.
    private void OfferExternalInterrupt(IVcpuExits exits)
    {
        KvmRun* run = _run;
        if (Volatile.Read(ref _externalInterrupt) && run->ReadyForInterruptInjection != 0)
        {
            int vector = exits.AcknowledgeExternalInterrupt();
            if (vector >= 0)
            {
                Registers.InjectInterrupt((byte)vector);
                run->ReadyForInterruptInjection = 0;
            }
        }
        run->RequestInterruptWindow = Volatile.Read(ref _externalInterrupt) ? (byte)1 : (byte)0;
    }

    private VcpuStop Fail(VcpuFailure failure)
    {
        Failure = failure;
        return VcpuStop.Failed;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Descriptor.Calls.Unmap((nint)_run, _machine.Hypervisor.VcpuMapBytes);
        Descriptor.Dispose();
    }
}
