using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>
/// The system's libslirp (slirp/libslirp.h), a TCP/IP stack in user space. Loaded at the first call, which throws
/// <see cref="System.DllNotFoundException"/> where there is none. An instance is used by one thread at a time.
/// </summary>
internal static unsafe partial class SlirpNative
{
    /// <summary>File name of the library.</summary>
    internal const string Library = "libslirp.so.0";

    /// <summary>The first version of the configuration: what every libslirp since 4.0 knows.</summary>
    internal const uint ConfigVersion = 1;

    /// <summary>SLIRP_POLL_IN and so on: other numbers than poll(2) has.</summary>
    internal const int PollIn = 1, PollOut = 2, PollPriority = 4, PollError = 8, PollHangUp = 16;

    /// <summary>slirp_new. Null when the configuration is refused.</summary>
    [LibraryImport(Library, EntryPoint = "slirp_new")]
    internal static partial void* Create(Config* config, Callbacks* callbacks, nint opaque);

    [LibraryImport(Library, EntryPoint = "slirp_cleanup")]
    internal static partial void Destroy(void* slirp);

    [LibraryImport(Library, EntryPoint = "slirp_pollfds_fill")]
    internal static partial void Fill(void* slirp, uint* timeoutMs, delegate* unmanaged[Cdecl]<int, int, nint, int> add, nint opaque);

    [LibraryImport(Library, EntryPoint = "slirp_pollfds_poll")]
    internal static partial void Dispatch(void* slirp, int failed, delegate* unmanaged[Cdecl]<int, nint, int> events, nint opaque);

    [LibraryImport(Library, EntryPoint = "slirp_input")]
    internal static partial void Input(void* slirp, byte* frame, int lengthBytes);

    /// <summary>slirp_add_hostfwd: addresses in network order, as struct in_addr holds them. -1 and errno when the host's port cannot be had.</summary>
    [LibraryImport(Library, EntryPoint = "slirp_add_hostfwd", SetLastError = true)]
    internal static partial int AddForward(void* slirp, int isUdp, uint hostAddress, int hostPort, uint guestAddress, int guestPort);

    /// <summary>slirp_connection_info: a table as text, for the caller to free.</summary>
    [LibraryImport(Library, EntryPoint = "slirp_connection_info")]
    internal static partial byte* DescribeConnections(void* slirp);

    /// <summary>struct in6_addr, in network order.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Address6
    {
        internal uint Part0, Part1, Part2, Part3;
    }

    /// <summary>SlirpConfig, the fields of version 1. Addresses are in network order. The library reads no further for that version.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Config
    {
        internal uint Version;
        internal int Restricted;
        internal byte HasIPv4;
        internal uint Network;
        internal uint Netmask;
        internal uint Host;
        internal byte HasIPv6;
        internal Address6 Prefix6;
        internal byte Prefix6Length;
        internal Address6 Host6;
        internal byte* HostName;
        internal byte* TftpServerName;
        internal byte* TftpPath;
        internal byte* BootFile;
        internal uint DhcpStart;
        internal uint NameServer;
        internal Address6 NameServer6;
        internal byte** SearchDomains;
        internal byte* DomainName;
        internal nuint Mtu;
        internal nuint Mru;
        internal byte NoHostLoopback;
        internal byte Emulation;
    }

    /// <summary>SlirpCb, as far as version 1 of the configuration uses it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Callbacks
    {
        internal delegate* unmanaged[Cdecl]<byte*, nuint, nint, nint> SendPacket;
        internal delegate* unmanaged[Cdecl]<byte*, nint, void> GuestError;
        internal delegate* unmanaged[Cdecl]<nint, long> ClockNanoseconds;
        internal delegate* unmanaged[Cdecl]<nint, nint, nint, nint> NewTimer;
        internal delegate* unmanaged[Cdecl]<nint, nint, void> FreeTimer;
        internal delegate* unmanaged[Cdecl]<nint, long, nint, void> ArmTimer;
        internal delegate* unmanaged[Cdecl]<int, nint, void> RegisterDescriptor;
        internal delegate* unmanaged[Cdecl]<int, nint, void> UnregisterDescriptor;
        internal delegate* unmanaged[Cdecl]<nint, void> Notify;
        internal nint InitCompleted;
        internal nint NewTimerOpaque;
    }

    /// <summary>What a timer of the library points to: ours, made by its callback.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Timer
    {
        internal delegate* unmanaged[Cdecl]<nint, void> Expired;
        internal nint Opaque;

        /// <summary>When it expires, in milliseconds of the clock that the library is given; <see cref="long.MaxValue"/>: not.</summary>
        internal long DeadlineMs;
    }
}
