using System;
using Hutch.Host.Linux;

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
