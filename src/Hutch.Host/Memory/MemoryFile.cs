using System;
using System.IO;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Memory;

/// <summary>A file without a name, in memory (memfd_create(2)): the way to hand data to another program through a descriptor.</summary>
public static class MemoryFile
{
    /// <summary>
    /// Makes a file that holds <paramref name="content"/>, with the position at its start, and returns its descriptor. The descriptor stays open
    /// in programs that this process executes, and nobody else owns it. Throws <see cref="LinuxException"/> or <see cref="IOException"/>.
    /// </summary>
    /// <param name="name">Name in <c>/proc/PID/fd</c>, for people who look.</param>
    /// <param name="content">The bytes.</param>
    public static int CreateInheritable(string name, ReadOnlySpan<byte> content)
    {
        int descriptor = Make(name, 0);
        using SafeFileHandle handle = new(descriptor, ownsHandle: false);
        RandomAccess.Write(handle, content, fileOffset: 0);
        return descriptor;
    }

    /// <summary>Makes such a file that other programs get only when it is passed to them. Throws <see cref="LinuxException"/> or <see cref="IOException"/>.</summary>
    public static SafeFileHandle Create(string name, ReadOnlySpan<byte> content)
    {
        SafeFileHandle handle = new(Make(name, Libc.MfdCloexec), ownsHandle: true);
        RandomAccess.Write(handle, content, fileOffset: 0);
        return handle;
    }

    private static int Make(string name, uint flags)
    {
        int descriptor = Libc.MemfdCreate(name, flags);
        if (descriptor < 0) LinuxException.ThrowLast("memfd_create", name);
        return descriptor;
    }
}
