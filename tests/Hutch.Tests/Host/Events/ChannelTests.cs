using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Pipes;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading;
using Hutch.Host.Events;
using Hutch.Host.Linux;
using Xunit;

namespace Hutch.Tests.Host.Events;

public sealed class ChannelTests
{
    [Fact]
    public void A_file_channel_keeps_every_byte_in_order()
    {
        string path = Path.GetTempFileName();
        StringBuilder expected = new();
        using (FileChannel channel = new(path))
        {
            for (int line = 0; line < 5000; line++)
            {
                string text = $"line {line}\n";
                expected.Append(text);
                foreach (byte one in Encoding.ASCII.GetBytes(text)) channel.Write([one]);
            }
        }
        Assert.Equal(expected.ToString(), File.ReadAllText(path));
        File.Delete(path);
    }

    [Fact]
    public void A_slow_peer_holds_the_writer_back_and_loses_nothing()
    {
        long received = 0;
        OutputPump pump = new("slow", (data, _) =>
        {
            Thread.Yield();
            received += data.Length;
            return true;
        });
        byte[] block = new byte[100_000];
        for (int count = 0; count < 50; count++) pump.Write(block);
        pump.Dispose();
        Assert.Equal(5_000_000, received);
    }

    [Fact]
    public void Lost_patience_frees_a_writer_that_waits_for_a_stuck_peer()
    {
        using ManualResetEventSlim stuck = new();
        using OutputPump pump = new("stuck", (_, patience) =>
        {
            if (patience < 0) stuck.Wait();
            return true;
        });
        Thread writer = new(() =>
        {
            for (int count = 0; count < 20; count++) pump.Write(new byte[100_000]);
        });
        writer.Start();
        pump.LosePatience();
        Assert.True(writer.Join(TimeSpan.FromSeconds(30)));
        stuck.Set();
    }

    [Fact]
    public void Input_that_the_device_does_not_take_is_offered_again_in_order()
    {
        using AnonymousPipeServerStream pipe = new(PipeDirection.Out);
        List<byte> taken = [];
        using SemaphoreSlim complete = new(0);
        int calls = 0;
        using InputPump pump = new("input", (int)pipe.ClientSafePipeHandle.DangerousGetHandle(), data =>
        {
            if (++calls % 3 == 0) return 0;
            taken.Add(data[0]);
            if (taken.Count == 200) complete.Release();
            return 1;
        }, filter: null, alwaysRead: false);
        byte[] sent = new byte[200];
        for (int index = 0; index < sent.Length; index++) sent[index] = (byte)index;
        pipe.Write(sent);
        while (!complete.Wait(1)) pump.Resume();
        Assert.Equal(sent, taken);
    }

    [Fact]
    public void The_filter_sees_input_while_the_device_takes_nothing()
    {
        using AnonymousPipeServerStream pipe = new(PipeDirection.Out);
        using SemaphoreSlim seen = new(0);
        int Filter(Span<byte> data)
        {
            if (data.Contains((byte)0x1d)) seen.Release();
            return data.Length;
        }
        using InputPump pump = new("input", (int)pipe.ClientSafePipeHandle.DangerousGetHandle(), static _ => 0, Filter, alwaysRead: true);
        pipe.Write(new byte[60_000]);
        pipe.Write(new byte[60_000]);
        pipe.Write([0x1d]);
        Assert.True(seen.Wait(TimeSpan.FromSeconds(30)));
    }

    [Fact]
    public void A_unix_channel_serves_one_client_after_another_and_replaces_a_stale_socket()
    {
        string path = Path.Combine(Path.GetTempPath(), $"channel-{Environment.ProcessId}-{Guid.NewGuid():N}");
        using (Socket stale = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)) stale.Bind(new UnixDomainSocketEndPoint(path));
        if (!File.Exists(path)) File.WriteAllText(path, "");
        using (UnixChannel channel = new(path))
        {
            channel.StartInput(data =>
            {
                channel.Write(data);
                return data.Length;
            });
            for (int round = 0; round < 2; round++)
            {
                using Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                client.Connect(new UnixDomainSocketEndPoint(path));
                client.Send("echo"u8);
                byte[] answer = new byte[4];
                for (int have = 0; have < 4;) have += client.Receive(answer, have, 4 - have, SocketFlags.None);
                Assert.Equal("echo"u8.ToArray(), answer);
            }
        }
        Assert.False(File.Exists(path));
    }

    [Fact]
    public void Mirrors_match_the_c_library()
    {
        Assert.Equal(60, Unsafe.SizeOf<Termios>());
        Assert.Equal(8, Unsafe.SizeOf<PollFd>());
        Assert.Equal(16, Unsafe.SizeOf<TimeSpec>());
        Assert.Equal(112, Unsafe.SizeOf<SystemInfo>());
    }

    [Fact]
    public void An_event_remembers_a_signal_until_it_is_drained()
    {
        using EventFd wake = EventFd.Create("test");
        Assert.False(wake.Drain());
        wake.Signal();
        wake.Signal();
        Assert.True(wake.Drain());
        Assert.False(wake.Drain());
    }
}
