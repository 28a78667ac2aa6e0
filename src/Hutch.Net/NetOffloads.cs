using System;

namespace Hutch.Net;

/// <summary>Work on frames that one side leaves to the other.</summary>
[Flags]
public enum NetOffloads
{
    /// <summary>None: frames are complete and no longer than the MTU.</summary>
    None = 0,

    /// <summary>The guest sends TCP and UDP without checksums.</summary>
    TransmitChecksum = 1,

    /// <summary>The guest sends TCP over IPv4 in segments of up to 64 KiB.</summary>
    TransmitTso4 = 2,

    /// <summary>The same over IPv6.</summary>
    TransmitTso6 = 4,

    /// <summary>The guest takes frames without checksums, and frames whose checksum somebody else has verified.</summary>
    ReceiveChecksum = 8,

    /// <summary>The guest takes TCP over IPv4 in segments of up to 64 KiB.</summary>
    ReceiveTso4 = 16,

    /// <summary>The same over IPv6.</summary>
    ReceiveTso6 = 32,

    /// <summary>Large segments may carry congestion marks, in both directions.</summary>
    Ecn = 64,
}
