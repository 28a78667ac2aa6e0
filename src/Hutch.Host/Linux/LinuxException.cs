using System;
using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>A system call failed in a way that its caller does not expect. Carries the call, errno and what it was for.</summary>
public sealed class LinuxException : Exception
{
    /// <summary>Creates the exception from a call's name, its errno and the object it was about.</summary>
    public LinuxException(string call, int errno, string detail)
        : base($"{detail}: {call} failed: {Marshal.GetPInvokeErrorMessage(errno)} (errno {errno}).")
    {
        Call = call;
        Errno = errno;
    }

    /// <summary>The system call, for example <c>mmap</c>.</summary>
    public string Call { get; }

    /// <summary>The errno value.</summary>
    public int Errno { get; }

    /// <summary>Throws for the errno that the last P/Invoke with SetLastError left on this thread.</summary>
    [System.Diagnostics.CodeAnalysis.DoesNotReturn]
    public static void ThrowLast(string call, string detail) =>
        throw new LinuxException(call, Marshal.GetLastPInvokeError(), detail);
}
