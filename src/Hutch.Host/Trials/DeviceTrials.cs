using Hutch.Host.Linux;

namespace Hutch.Host.Trials;

/// <summary>Trials of device nodes. None changes anything on the host.</summary>
public static unsafe class DeviceTrials
{
    private const nuint TunSetInterface = 0x4004_54ca, VhostGetFeatures = 0x8008_af00, UserfaultNew = 0xaa00, UserfaultApi = 0xc018_aa3f;
    private const int InterfaceRequestBytes = 40, InterfaceFlags = 16;
    private const short NoPacketInformation = 0x1000;
    private const int UserModeOnly = 1;

    /// <summary>Opens a node for reading and writing.</summary>
    public static Trial Open(string path)
    {
        int fd = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCloexec, 0);
        if (fd >= 0) _ = Libc.Close(fd);
        return Trial.Of(fd);
    }

    /// <summary>
    /// Whether this process may make a network interface at <paramref name="path"/> (/dev/net/tun). It asks for one of no type: the kernel checks
    /// the right before it refuses the type, so none is made (linux drivers/net/tun.c, tun_set_iff).
    /// </summary>
    public static Trial MakeInterface(string path)
    {
        int fd = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCloexec, 0);
        if (fd < 0) return Trial.Of(fd);
        byte* request = stackalloc byte[InterfaceRequestBytes];
        // SAFETY: struct ifreq of 40 bytes on this frame; the flags lie inside it.
        *(short*)(request + InterfaceFlags) = NoPacketInformation;
        Trial asked = Trial.Of(Libc.Ioctl(fd, TunSetInterface, (nuint)(request)));
        _ = Libc.Close(fd);
        return asked.Errno == Trial.Invalid ? new Trial(true) : asked;
    }

    /// <summary>Whether vhost answers at <paramref name="path"/> (/dev/vhost-net). The value is its virtio feature bits.</summary>
    public static Trial Vhost(string path)
    {
        int fd = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCloexec, 0);
        if (fd < 0) return Trial.Of(fd);
        long features = 0;
        // SAFETY: the kernel writes eight bytes.
        Trial asked = Trial.Of(Libc.Ioctl(fd, VhostGetFeatures, (nuint)(&features)));
        _ = Libc.Close(fd);
        return asked with { Value = features };
    }

    /// <summary>Whether userfaultfd(2) gives this process page faults of user mode only, which needs no privilege.</summary>
    public static Trial UserfaultOfUserMode() => Negotiate((int)Libc.Syscall(Libc.SysUserfaultfd, Libc.OpenCloexec | UserModeOnly, 0, 0, 0, 0, 0));

    /// <summary>Whether it gives those of the kernel too (system calls on guest memory, KVM), by the call or by the device <paramref name="path"/>.</summary>
    public static Trial UserfaultOfKernel(string path)
    {
        Trial direct = Negotiate((int)Libc.Syscall(Libc.SysUserfaultfd, Libc.OpenCloexec, 0, 0, 0, 0, 0));
        if (direct.Works) return direct;
        int device = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCloexec, 0);
        if (device < 0) return direct;
        // SAFETY: USERFAULTFD_IOC_NEW takes its flags in place of an address.
        Trial made = Negotiate(Libc.Ioctl(device, UserfaultNew, Libc.OpenCloexec));
        _ = Libc.Close(device);
        return made;
    }

    // The value is the kernel's UFFD_FEATURE_* bits. Takes the descriptor over.
    private static Trial Negotiate(int fd)
    {
        if (fd < 0) return Trial.Of(fd);
        // SAFETY: struct uffdio_api: api, features, ioctls, on this frame.
        ulong* api = stackalloc ulong[3];
        api[0] = 0xaa;
        Trial asked = Trial.Of(Libc.Ioctl(fd, UserfaultApi, (nuint)(api)));
        _ = Libc.Close(fd);
        return asked with { Value = (long)api[1] };
    }
}
