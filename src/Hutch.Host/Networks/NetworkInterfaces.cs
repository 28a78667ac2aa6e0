using System;
using System.Text;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Networks;

/// <summary>Network interfaces of this host, by name. Every method throws <see cref="LinuxException"/> where the kernel refuses.</summary>
public static unsafe class NetworkInterfaces
{
    /// <summary>The longest name in bytes.</summary>
    public const int LongestName = Libc.InterfaceRequest.NameBytes - 1;

    /// <summary>Whether there is an interface of this name.</summary>
    public static bool Exists(string name)
    {
        try
        {
            _ = Call(name, Libc.InterfaceIndexOf, 0, "SIOCGIFINDEX");
            return true;
        }
        catch (LinuxException missing) when (missing.Errno == 19)
        {
            return false;
        }
    }

    /// <summary>The longest IP packet in bytes.</summary>
    public static int MtuOf(string name) => Call(name, Libc.InterfaceMtu, 0, "SIOCGIFMTU");

    /// <summary>Sets the longest IP packet.</summary>
    public static void SetMtu(string name, int bytes) => Call(name, Libc.SetInterfaceMtu, bytes, "SIOCSIFMTU");

    /// <summary>Switches an interface on.</summary>
    public static void BringUp(string name)
    {
        short flags = (short)Call(name, Libc.InterfaceFlags, 0, "SIOCGIFFLAGS");
        if ((flags & Libc.InterfaceUp) == 0) Call(name, Libc.SetInterfaceFlags, (ushort)(flags | Libc.InterfaceUp), "SIOCSIFFLAGS");
    }

    /// <summary>Makes an interface a port of a bridge.</summary>
    public static void AddToBridge(string bridge, string name) =>
        Call(bridge, Libc.BridgeAddInterface, Call(name, Libc.InterfaceIndexOf, 0, "SIOCGIFINDEX"), "SIOCBRADDIF");

    internal static Libc.InterfaceRequest Request(string name)
    {
        Libc.InterfaceRequest request = default;
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Encoding.UTF8.GetByteCount(name), LongestName, nameof(name));
        // SAFETY: the length was just checked; the rest of the field is zero, which ends the name.
        _ = Encoding.UTF8.GetBytes(name, new Span<byte>(request.Name, LongestName));
        return request;
    }

    internal static string NameIn(Libc.InterfaceRequest* request)
    {
        // SAFETY: the field has this length and the kernel ends names with a zero.
        ReadOnlySpan<byte> name = new(request->Name, Libc.InterfaceRequest.NameBytes);
        int end = name.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? name : name[..end]);
    }

    private static int Call(string name, uint call, int number, string callName)
    {
        Libc.InterfaceRequest request = Request(name);
        request.Number = number;
        int fd = Libc.CreateSocket(Libc.FamilyInternet, Libc.SocketDatagram | Libc.SocketCloexec, 0);
        if (fd < 0) LinuxException.ThrowLast("socket", name);
        using SafeFileHandle socket = new(fd, ownsHandle: true);
        // SAFETY: the kernel reads and writes one structure on this frame.
        if (Libc.InterfaceIoctl(fd, call, &request) != 0) LinuxException.ThrowLast(callName, $"The interface {name}");
        return request.Number;
    }
}
