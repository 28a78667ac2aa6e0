using System.Runtime.InteropServices;
using Hutch.Host.Files;

namespace Hutch.Host.Linux;

/// <summary>libc calls on network interfaces (netdevice(7), linux/if_tun.h, linux/sockios.h). No policy: callers check results.</summary>
internal static unsafe partial class Libc
{
    internal const int FamilyInternet = 2, SocketDatagram = 2;
    internal const uint TunSetInterface = 0x400454ca, TunSetOffload = 0x400454d0, TunSetHeaderBytes = 0x400454d8, TunSetQueue = 0x400454d9;
    internal const short TunTap = 2, TunMultiQueue = 0x100, TunAttach = 0x200, TunDetach = 0x400, TunNoInfo = 0x1000, TunNetHeader = 0x4000;
    internal const uint TunOffloadChecksum = 1, TunOffloadTso4 = 2, TunOffloadTso6 = 4, TunOffloadEcn = 8;
    internal const uint InterfaceIndexOf = 0x8933, InterfaceFlags = 0x8913, SetInterfaceFlags = 0x8914, InterfaceMtu = 0x8921, SetInterfaceMtu = 0x8922;
    internal const uint BridgeAddInterface = 0x89a2;
    internal const short InterfaceUp = 1;

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    internal static partial int InterfaceIoctl(int fd, nuint request, InterfaceRequest* argument);

    [LibraryImport("libc", EntryPoint = "writev", SetLastError = true)]
    internal static partial nint Writev(int fd, IoSegment* segments, int count);

    /// <summary>struct ifreq (netdevice(7)): 40 bytes.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 40)]
    internal struct InterfaceRequest
    {
        /// <summary>Bytes of a name, with its terminating zero.</summary>
        internal const int NameBytes = 16;

        [FieldOffset(0)] internal fixed byte Name[NameBytes];
        [FieldOffset(16)] internal short Flags;
        [FieldOffset(16)] internal int Number;      // index or MTU
    }
}
