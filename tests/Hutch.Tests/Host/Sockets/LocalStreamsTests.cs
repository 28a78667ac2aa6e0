using System;
using System.IO;
using System.Linq;
using System.Runtime.InteropServices;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Host.Sockets;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Hutch.Tests.Host.Sockets;

public sealed class LocalStreamsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-streams-").FullName;
    private readonly LocalStreams _streams = new();

    private string At(string name) => Path.Combine(_folder, name);

    [Fact]
    public void Bytes_go_both_ways_without_waiting()
    {
        using ILocalStreamListener listener = _streams.Listen(At("a"));
        Assert.Null(listener.TryAccept());
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(At("a")));
        using ILocalStream client = _streams.TryConnect(At("a"))!;
        using ILocalStream server = listener.TryAccept()!;
        byte[] buffer = new byte[16];
        Assert.Equal(-1, server.Receive(buffer));
        Assert.Equal(5, client.Send("hello"u8));
        Assert.Equal(5, server.Receive(buffer));
        Assert.Equal("hello"u8.ToArray(), buffer[..5]);
        client.EndSending();
        Assert.Equal(0, server.Receive(buffer));
        Assert.False(server.IsPeerGone);
        Assert.Equal(2, server.Send("ok"u8));
        Assert.Equal(2, client.Receive(buffer));
        client.Dispose();
        Assert.True(server.IsPeerGone);
        Assert.Equal(-1, server.Send("more"u8));
    }

    [Fact]
    public void A_peer_that_does_not_read_has_no_room_in_the_end()
    {
        using ILocalStreamListener listener = _streams.Listen(At("a"));
        using ILocalStream client = _streams.TryConnect(At("a"))!;
        using ILocalStream server = listener.TryAccept()!;
        byte[] block = new byte[64 << 10];
        long sent = 0;
        for (int count; (count = server.Send(block)) != 0; sent += count) Assert.True(count > 0 && sent < 64 << 20);
        long received = 0;
        for (int count; (count = client.Receive(block)) > 0; received += count) { }
        Assert.Equal(sent, received);
        Assert.NotEqual(0, server.Send(block));
    }

    [Fact]
    public void Nobody_is_there_to_connect_to()
    {
        Assert.Null(_streams.TryConnect(At("none")));
        Assert.Null(_streams.TryConnect(At(new string('x', 200))));
        File.WriteAllText(At("file"), "");
        Assert.Null(_streams.TryConnect(At("file")));
    }

    [Fact]
    public void A_socket_that_was_left_behind_is_replaced_and_nothing_else()
    {
        using (ILocalStreamListener first = _streams.Listen(At("a")))
        {
            Assert.Throws<LinuxException>(() => _streams.Listen(At("a")));
            File.Move(At("a"), At("b"));
        }
        // Its listener is closed, and its file is there.
        using (ILocalStreamListener second = _streams.Listen(At("b"))) Assert.NotNull(_streams.TryConnect(At("b")));
        Assert.False(File.Exists(At("b")));
        File.WriteAllText(At("file"), "text");
        Assert.Throws<LinuxException>(() => _streams.Listen(At("file")));
        Assert.Equal("text", File.ReadAllText(At("file")));
    }

    [Fact]
    public void A_wait_ends_when_a_peer_has_said_something()
    {
        using ILocalStreamListener listener = _streams.Listen(At("a"));
        using EventFd never = EventFd.Create("test");
        PollSet polls = new();
        polls.Add(-1, read: true, write: true);
        Assert.Equal(0, polls.Count);
        polls.Add(listener.Descriptor, read: true, write: false);
        using ILocalStream client = _streams.TryConnect(At("a"))!;
        polls.Wait(never);
        using ILocalStream server = listener.TryAccept()!;
        client.Send("x"u8);
        polls.Clear();
        // More than it has room for at first.
        foreach (int _ in Enumerable.Range(0, 20)) polls.Add(server.Descriptor, read: true, write: false);
        polls.Wait(never);
        Assert.Equal(1, server.Receive(new byte[8]));
        never.Signal();
        polls.Wait(never);
    }

    [Fact]
    public void Descriptors_go_with_bytes()
    {
        using ILocalStreamListener listener = _streams.Listen(At("a"));
        using ILocalStream client = _streams.TryConnect(At("a"))!;
        using ILocalStream server = listener.TryAccept()!;
        using WakePipe pipe = WakePipe.Create("test"), other = WakePipe.Create("test");
        Assert.False(server.WaitToReceive(0));
        Assert.Equal(2, client.Send("ab"u8, [pipe.ReadDescriptor, other.WriteDescriptor]));
        Assert.True(server.WaitToReceive(-1));
        int[] received = ReceiveDescriptors(server.Descriptor);
        Assert.Equal(2, received.Length);
        using FileStream end = new(new SafeFileHandle(received[0], ownsHandle: true), FileAccess.Read), beginning = new(new SafeFileHandle(received[1], ownsHandle: true), FileAccess.Write);
        pipe.Signal();
        byte[] wake = new byte[16];
        Assert.Equal(8, end.Read(wake));
        Assert.Equal(1UL, BitConverter.ToUInt64(wake));
        beginning.Write(wake, 0, 8);
        beginning.Flush();
        PollSet polls = new();
        polls.Add(other.ReadDescriptor, read: true, write: false);
        using EventFd never = EventFd.Create("test");
        polls.Wait(never);
        server.Dispose();
        Assert.Equal(-1, client.Send("more"u8, [pipe.ReadDescriptor]));
        Assert.Throws<ArgumentOutOfRangeException>(() => client.Send("many"u8, new int[ILocalStream.MostDescriptors + 1]));
    }

    [DllImport("libc", EntryPoint = "recvmsg")]
    private static extern unsafe nint ReceiveMessage(int fd, Libc.MessageHeader* message, int flags);

    // Two bytes, and the descriptors that came with them.
    private static unsafe int[] ReceiveDescriptors(int fd)
    {
        byte* control = stackalloc byte[64], data = stackalloc byte[2];
        IoSegment segment = new((nint)data, 2);
        Libc.MessageHeader message = new() { Segments = &segment, SegmentCount = 1, Control = control, ControlBytes = 64 };
        Assert.Equal(2, ReceiveMessage(fd, &message, 0));
        Assert.Equal("ab"u8.ToArray(), new ReadOnlySpan<byte>(data, 2).ToArray());
        Libc.ControlHeader* header = (Libc.ControlHeader*)control;
        return new ReadOnlySpan<int>(header + 1, ((int)header->Bytes - sizeof(Libc.ControlHeader)) / sizeof(int)).ToArray();
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
