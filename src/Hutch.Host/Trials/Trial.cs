using System.Runtime.InteropServices;

namespace Hutch.Host.Trials;

/// <summary>What came of asking the kernel to do something.</summary>
/// <param name="Works">It did.</param>
/// <param name="Errno">Why not: the errno, 0 when it worked or when another reason than a system call's stands against it.</param>
/// <param name="Value">A figure that the kernel gave, as the trial says.</param>
public readonly record struct Trial(bool Works, int Errno = 0, long Value = 0)
{
    /// <summary>EPERM: the caller lacks a privilege, or a filter forbids the call.</summary>
    public const int NotPermitted = 1;

    /// <summary>ENOENT: no such file.</summary>
    public const int NoEntry = 2;

    /// <summary>ENODEV or ENXIO stand for a device node without a driver behind it; this is ENXIO.</summary>
    public const int NoDeviceOrAddress = 6;

    /// <summary>ENOMEM: no memory of the kind that was asked for.</summary>
    public const int NoMemory = 12;

    /// <summary>EACCES: the rights of the file forbid it.</summary>
    public const int AccessDenied = 13;

    /// <summary>EBUSY: somebody else has it.</summary>
    public const int Busy = 16;

    /// <summary>ENODEV: there is no driver behind the device node.</summary>
    public const int NoDevice = 19;

    /// <summary>EINVAL: the kernel does not know what was asked for.</summary>
    public const int Invalid = 22;

    /// <summary>ENOSYS: the kernel does not have the call, or a filter hides it.</summary>
    public const int NoSystemCall = 38;

    /// <summary>EOPNOTSUPP: built, but switched off.</summary>
    public const int NotSupported = 95;

    /// <summary>The kernel's sentence for <see cref="Errno"/>.</summary>
    public string Reason => Marshal.GetPInvokeErrorMessage(Errno);

    /// <summary>A success with what the kernel returned, or a failure with the errno of the last call, when <paramref name="result"/> is negative.</summary>
    internal static Trial Of(long result) => result < 0 ? new Trial(false, Marshal.GetLastPInvokeError()) : new Trial(true, Value: result);
}
