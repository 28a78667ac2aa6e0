namespace Hutch.Host.Linux;

/// <summary>
/// The system calls on a device file, as an object: tests put a device of their own behind it. Every call gives its result, or
/// -errno where it failed. Any thread.
/// </summary>
public unsafe interface IDeviceCalls
{
    /// <summary>open(2) for reading and writing, close-on-exec. Returns a descriptor.</summary>
    int Open(string path);

    /// <summary>ioctl(2). <paramref name="argument"/> is a number or an address, as the request asks. The garbage collector does not wait for it.</summary>
    int Ioctl(int fd, uint request, nuint argument);

    /// <summary>Maps <paramref name="lengthBytes"/> of the device from <paramref name="offset"/>, shared, for reading and writing. Returns the address.</summary>
    nint Map(int fd, nuint lengthBytes, nint offset);

    /// <summary>Ends a mapping.</summary>
    void Unmap(nint address, nuint lengthBytes);

    /// <summary>Closes a descriptor.</summary>
    void Close(int fd);
}

/// <summary>The calls themselves.</summary>
public sealed unsafe class DeviceCalls : IDeviceCalls
{
    /// <inheritdoc/>
    public int Open(string path) => Result(Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCloexec, 0));

    /// <inheritdoc/>
    public int Ioctl(int fd, uint request, nuint argument) => Result(Libc.Ioctl(fd, request, argument));

    /// <inheritdoc/>
    public nint Map(int fd, nuint lengthBytes, nint offset)
    {
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        nint address = (nint)Libc.Mmap(null, lengthBytes, Libc.ProtRead | Libc.ProtWrite, Libc.MapShared, fd, offset);
        return address == -1 ? -System.Runtime.InteropServices.Marshal.GetLastPInvokeError() : address;
    }

    /// <inheritdoc/>
    public void Unmap(nint address, nuint lengthBytes)
    {
        // SAFETY: the caller owns the mapping and has let go of every pointer into it.
        _ = Libc.Munmap((void*)address, lengthBytes);
    }

    /// <inheritdoc/>
    public void Close(int fd) => _ = Libc.Close(fd);

    private static int Result(int result) => result >= 0 ? result : -System.Runtime.InteropServices.Marshal.GetLastPInvokeError();
}
