using System;

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

    /// <summary>pread(2). Returns the bytes read. A device that has no positions refuses.</summary>
    int Read(int fd, Span<byte> data, long offset) => -InvalidArgument;

    /// <summary>pwrite(2), as above.</summary>
    int Write(int fd, ReadOnlySpan<byte> data, long offset) => -InvalidArgument;

    /// <summary>Closes a descriptor.</summary>
    void Close(int fd);

    private const int InvalidArgument = 22;
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
    public int Read(int fd, Span<byte> data, long offset)
    {
        // SAFETY: the bytes stay where they are during the call, and their count is passed.
        fixed (byte* start = data) return Result((int)Libc.Pread(fd, start, (nuint)data.Length, offset));
    }

    /// <inheritdoc/>
    public int Write(int fd, ReadOnlySpan<byte> data, long offset)
    {
        // SAFETY: as in Read.
        fixed (byte* start = data) return Result((int)Libc.Pwrite(fd, start, (nuint)data.Length, offset));
    }

    /// <inheritdoc/>
    public void Close(int fd) => _ = Libc.Close(fd);

    private static int Result(int result) => result >= 0 ? result : -System.Runtime.InteropServices.Marshal.GetLastPInvokeError();
}
