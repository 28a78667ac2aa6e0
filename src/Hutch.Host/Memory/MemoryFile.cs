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
        int descriptor = Libc.MemfdCreate(name, 0);
        if (descriptor < 0) LinuxException.ThrowLast("memfd_create", name);
        using SafeFileHandle handle = new(descriptor, ownsHandle: false);
        RandomAccess.Write(handle, content, fileOffset: 0);
        return descriptor;
    }
}
