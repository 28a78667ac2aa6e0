using System;
using Hutch.Host.Linux;
using Hutch.Kvm.Abi;

namespace Hutch.Kvm;

/// <summary>A descriptor of KVM: the system, a machine or a vCPU. Any thread may call; the owner disposes it when nobody calls any more.</summary>
/// <param name="calls">The system calls.</param>
/// <param name="descriptor">The open descriptor; owned.</param>
/// <param name="subject">What it is, to begin an error sentence with.</param>
internal sealed unsafe class KvmDescriptor(IDeviceCalls calls, int descriptor, string subject) : IDisposable
{
    private int _descriptor = descriptor;

    /// <summary>The system calls.</summary>
    internal IDeviceCalls Calls => calls;

    /// <summary>The descriptor's number.</summary>
    internal int Number => _descriptor;

    /// <summary>The result, or -errno.</summary>
    internal int Try(uint request, nuint argument = 0) => calls.Ioctl(_descriptor, request, argument);

    /// <summary>The result, or -errno, of a call on a structure.</summary>
    internal int Try<T>(uint request, ref T argument) where T : unmanaged
    {
        // SAFETY: the structure stays where it is during the call, and a test holds its size to the one in the request's number.
        fixed (T* address = &argument) return calls.Ioctl(_descriptor, request, (nuint)address);
    }

    /// <summary>The result. Throws <see cref="LinuxException"/> when the kernel refuses.</summary>
    /// <param name="request">The ioctl.</param>
    /// <param name="name">Its name in linux/kvm.h.</param>
    /// <param name="argument">A number or an address.</param>
    internal int Call(uint request, string name, nuint argument = 0) => Check(Try(request, argument), name);

    /// <summary>As above, on a structure.</summary>
    internal int Call<T>(uint request, string name, ref T argument) where T : unmanaged => Check(Try(request, ref argument), name);

    /// <summary>KVM_CREATE_VM, on the system's descriptor. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="subject">What to call the machine in an error sentence.</param>
    internal KvmDescriptor CreateMachine(string subject)
    {
        const int Interrupted = 4;
        int machine;
        // Creating a machine can be interrupted by any signal of the process.
        do machine = Try(KvmIoctl.CreateVm);
        while (machine == -Interrupted);
        return new KvmDescriptor(calls, Check(machine, "KVM_CREATE_VM"), subject);
    }

    /// <summary>Maps the memory that a vCPU shares with the kernel, on the vCPU's descriptor. The caller unmaps it. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="lengthBytes">What KVM_GET_VCPU_MMAP_SIZE says.</param>
    internal KvmRun* MapRun(nuint lengthBytes)
    {
        nint run = calls.Map(_descriptor, lengthBytes, 0);
        return run is < 0 and > -4096 ? throw new LinuxException("mmap", (int)-run, subject) : (KvmRun*)run;
    }

    /// <summary>Throws for -errno.</summary>
    internal int Check(int result, string name) => result >= 0 ? result : throw new LinuxException(name, -result, subject);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_descriptor < 0) return;
        calls.Close(_descriptor);
        _descriptor = -1;
    }
}
