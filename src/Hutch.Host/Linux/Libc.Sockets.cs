using System.Runtime.InteropServices;

namespace Hutch.Host.Linux;

/// <summary>libc calls on UNIX sockets (unix(7)) and on the files around them. No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const int FamilyUnix = 1, SocketStream = 1, SocketCloexec = 0x80000, SocketNonblock = 0x800;
    internal const int SocketLevel = 1, SocketPeerCredentials = 17, PassDescriptors = 1;
    internal const int SendNoSignal = 0x4000, DontWait = 0x40, ShutdownBoth = 2;
    internal const short PollReadHangUp = 0x2000;
    internal const int OpenCreate = 0x40, OpenExclusive = 0x80, OpenTruncate = 0x200, OpenDirectory = 0x10000, OpenNoFollow = 0x20000;

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    internal static partial int CreateSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    internal static partial int Bind(int fd, UnixAddress* address, uint length);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    internal static partial int Connect(int fd, UnixAddress* address, uint length);

    [LibraryImport("libc", EntryPoint = "listen", SetLastError = true)]
    internal static partial int Listen(int fd, int backlog);

    [LibraryImport("libc", EntryPoint = "accept4", SetLastError = true)]
    internal static partial int Accept(int fd, void* address, uint* length, int flags);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    internal static partial int Shutdown(int fd, int how);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    internal static partial nint Send(int fd, void* source, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    internal static partial nint Receive(int fd, void* destination, nuint length, int flags);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    internal static partial nint SendMessage(int fd, MessageHeader* message, int flags);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    internal static partial int CreateSocketPair(int family, int type, int protocol, int* ends);

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    internal static partial int GetSocketOption(int fd, int level, int option, void* value, uint* length);

    [LibraryImport("libc", EntryPoint = "geteuid")]
    internal static partial uint EffectiveUser();

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int MakeDirectory(string path, uint mode);

    /// <summary>struct sockaddr_un (unix(7)): 110 bytes.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 2)]
    internal struct UnixAddress
    {
        /// <summary>Bytes of a path, with its terminating zero.</summary>
        internal const int PathBytes = 108;

        internal ushort Family;
        internal fixed byte Path[PathBytes];
    }

    /// <summary>struct msghdr (sendmsg(2)) on 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MessageHeader
    {
        internal void* Name;
        internal uint NameBytes;
        internal Files.IoSegment* Segments;
        internal nuint SegmentCount;
        internal void* Control;
        internal nuint ControlBytes;
        internal int Flags;
    }

    /// <summary>struct cmsghdr (cmsg(3)) on 64-bit Linux; its data follow.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct ControlHeader
    {
        internal nuint Bytes;
        internal int Level;
        internal int Type;
    }

    /// <summary>struct ucred (unix(7), SO_PEERCRED).</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PeerCredentials
    {
        internal int Pid;
        internal uint User;
        internal uint Group;
    }
}
