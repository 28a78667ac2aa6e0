using System.Runtime.InteropServices;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Xunit;

namespace Hutch.Tests.Host.Events;

public sealed unsafe class RawTerminalTests
{
    private const int ReadWriteNoControl = 0x102;
    private const uint Echo = 8, Canonical = 2;

    [DllImport("libc", EntryPoint = "posix_openpt")]
    private static extern int OpenPseudoTerminal(int flags);

    private static uint LocalFlags(int fd)
    {
        Termios attributes;
        Assert.Equal(0, Libc.GetAttributes(fd, &attributes));
        return attributes.LocalFlags;
    }

    [Fact]
    public void A_terminal_is_raw_until_it_is_disposed_and_then_as_before()
    {
        int fd = OpenPseudoTerminal(ReadWriteNoControl);
        Assert.True(RawTerminal.IsTerminal(fd));
        uint before = LocalFlags(fd);
        Assert.Equal(Echo | Canonical, before & (Echo | Canonical));
        using (RawTerminal? raw = RawTerminal.Enter(fd))
        {
            Assert.NotNull(raw);
            Assert.Equal(0u, LocalFlags(fd) & (Echo | Canonical));
        }
        Assert.Equal(before, LocalFlags(fd));
        _ = Libc.Close(fd);
    }

    [Fact]
    public void What_is_no_terminal_stays_alone()
    {
        using EventFd none = EventFd.Create("test");
        Assert.False(RawTerminal.IsTerminal(none.Descriptor));
        Assert.Null(RawTerminal.Enter(none.Descriptor));
    }
}
