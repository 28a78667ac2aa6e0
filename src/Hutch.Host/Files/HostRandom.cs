using System;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;

namespace Hutch.Host.Files;

/// <summary>The kernel's random number generator, without a cryptographic library in between.</summary>
public static unsafe class HostRandom
{
    /// <summary>Fills <paramref name="destination"/>. Any thread. Throws <see cref="LinuxException"/> where the kernel has no such call.</summary>
    public static void Fill(Span<byte> destination)
    {
        while (destination.Length != 0)
        {
            nint count;
            // SAFETY: the span is pinned for the call and its length is passed.
            fixed (byte* start = destination) count = Libc.GetRandom(start, (nuint)destination.Length, 0);
            if (count > 0) destination = destination[(int)count..];
            else if (Marshal.GetLastPInvokeError() != Libc.Eintr) LinuxException.ThrowLast("getrandom", "Random numbers");
        }
    }
}
