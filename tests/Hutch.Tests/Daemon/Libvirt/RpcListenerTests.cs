using System;
using System.IO;
using System.Net.Sockets;
using Hutch.Daemon.Libvirt.Rpc;
using Xunit;

namespace Hutch.Tests.Daemon.Libvirt;

/// <summary>What is in the way of the daemon's sockets.</summary>
public sealed class RpcListenerTests : IDisposable
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _folder = Directory.CreateTempSubdirectory("hutchd-listen-").FullName;

    private string SocketPath => Path.Combine(_folder, "sock");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_socket_that_a_killed_daemon_left_is_replaced_and_has_the_mode_that_was_asked_for()
    {
        using (Socket left = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            left.Bind(new UnixDomainSocketEndPoint($"{SocketPath}.before"));
            // The framework removes what it bound, as a process that is killed does not.
            File.Move($"{SocketPath}.before", SocketPath);
        }
        Assert.True(File.Exists(SocketPath));
        using (RpcListener listener = RpcListener.Open(SocketPath, isReadOnly: false, Owner)) Assert.Equal(Owner, File.GetUnixFileMode(SocketPath));
        Assert.False(File.Exists(SocketPath));
    }

    [Fact]
    public void A_file_of_another_kind_and_the_socket_of_a_daemon_that_lives_stay()
    {
        File.WriteAllText(SocketPath, "kept");
        IOException refused = Assert.Throws<IOException>(() => RpcListener.Open(SocketPath, isReadOnly: false, Owner));
        Assert.Contains(SocketPath, refused.Message, StringComparison.Ordinal);
        Assert.Equal("kept", File.ReadAllText(SocketPath));
        File.Delete(SocketPath);

        using RpcListener first = RpcListener.Open(SocketPath, isReadOnly: false, Owner);
        Assert.Throws<IOException>(() => RpcListener.Open(SocketPath, isReadOnly: false, Owner));
        using RpcPeer peer = new(SocketPath);
    }
}
