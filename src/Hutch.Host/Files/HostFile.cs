using System;
using System.IO;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Files;

/// <summary>A regular file that is read at offsets. Any thread.</summary>
public sealed unsafe class HostFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    private HostFile(SafeFileHandle handle, long length)
    {
        _handle = handle;
        LengthBytes = length;
    }

    /// <summary>Length in bytes when the file was opened.</summary>
    public long LengthBytes { get; }

    /// <summary>Opens a file for reading. Throws the exceptions of <see cref="File.OpenHandle"/>.</summary>
    public static HostFile Open(string path)
    {
        SafeFileHandle handle = File.OpenHandle(path);
        return new HostFile(handle, RandomAccess.GetLength(handle));
    }

    /// <summary>Fills <paramref name="destination"/> from <paramref name="offset"/>. False when the file ends before.</summary>
    public bool TryRead(long offset, Span<byte> destination)
    {
        fixed (byte* start = destination) return TryRead(offset, (nint)start, destination.Length);
    }

    /// <summary>As above, to memory that the caller has checked (a pinned guest buffer). False when the file ends before or cannot be read.</summary>
    public bool TryRead(long offset, nint destination, long lengthBytes)
    {
        bool held = false;
        try
        {
            _handle.DangerousAddRef(ref held);
            int fd = (int)_handle.DangerousGetHandle();
            while (lengthBytes > 0)
            {
                // SAFETY: the caller vouches for [destination, destination + lengthBytes); the loop never passes its end.
                nint count = Libc.ReadAt(fd, (void*)destination, (nuint)lengthBytes, (nint)offset);
                if (count < 0 && Marshal.GetLastPInvokeError() == Libc.Eintr) continue;
                if (count <= 0) return false;
                destination += count;
                offset += count;
                lengthBytes -= count;
            }
            return true;
        }
        finally
        {
            if (held) _handle.DangerousRelease();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _handle.Dispose();
}
