using System;
using Hutch.Block.Graph;

namespace Hutch.Block.Nbd;

/// <summary>Error numbers of the protocol: those of Linux, but only these few.</summary>
internal static class NbdErrors
{
    internal const int Permission = 1, Io = 5, NoMemory = 12, Invalid = 22, NoSpace = 28, Overflow = 75, NotSupported = 95, Shutdown = 108;

    /// <summary>The number that tells a failure of a node.</summary>
    internal static int Of(Exception failure) => failure switch
    {
        BlockIoException e => e.Errno switch
        {
            // EROFS, EFBIG, EDQUOT have a near relative.
            Permission or 30 => Permission,
            NoSpace or 27 or 122 => NoSpace,
            NoMemory or Invalid or Overflow or NotSupported or Shutdown => e.Errno,
            _ => Io,
        },
        ArgumentOutOfRangeException => Invalid,
        OperationCanceledException => Shutdown,
        OutOfMemoryException => NoMemory,
        _ => Io,
    };

    /// <summary>A number that came over the wire; what it may not be is EINVAL.</summary>
    internal static int FromWire(uint error) => error switch
    {
        0 or Permission or Io or NoMemory or Invalid or NoSpace or Overflow or NotSupported or Shutdown => (int)error,
        _ => Invalid,
    };
}
