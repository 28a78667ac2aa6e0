using System;
using System.IO;
using System.Text;
using Hutch.Devices;
using Hutch.Host.Sockets;
using Hutch.Model.Control;
using Hutch.Vmm.Control;
using Xunit;

namespace Hutch.Tests.Vmm.Control;

public sealed class ControlServerTests : IDisposable
{
    private readonly string? _before = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
    private readonly string _root = Directory.CreateTempSubdirectory("hutch-control-").FullName;

    public ControlServerTests() => Environment.SetEnvironmentVariable("XDG_RUNTIME_DIR", _root);

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("XDG_RUNTIME_DIR", _before);
        Directory.Delete(_root, recursive: true);
    }

    private string Socket(string name) => Path.Combine(_root, "hutch", name, VmName.SocketFile);

    private static VmReply Echo(ControlCall call) =>
        call.Request.Verb == "fail" ? VmReply.Error("Refused.") : new VmReply(VmReplyKind.Done, call.Request.Verb);

    private LocalConnection Connect(string name) => LocalConnection.Connect(Socket(name))!;

    private static VmReply Ask(LocalConnection connection, string line)
    {
        Assert.True(connection.Write(Encoding.UTF8.GetBytes(line + "\n")));
        Assert.True(connection.TryReadLine(out ReadOnlySpan<byte> reply, timeoutMs: 30_000));
        return ControlLine.ReadReply(reply);
    }

    [Fact]
    public void A_connection_asks_again_and_again_also_after_nonsense()
    {
        using ControlServer server = ControlServer.Open("one");
        server.Serve(Echo);
        using LocalConnection connection = Connect("one");
        Assert.Equal("status", Ask(connection, "{\"verb\":\"status\"}").Message);
        Assert.Equal(VmReplyKind.Error, Ask(connection, "nonsense").Kind);
        Assert.Equal(VmReply.Error("Refused."), Ask(connection, "{\"verb\":\"fail\"}"));
        Assert.Equal("again", Ask(connection, "{\"verb\":\"again\"}").Message);
    }

    [Fact]
    public void Who_watches_is_told_and_may_ask_besides()
    {
        Watchers watchers = new();
        using ControlServer server = ControlServer.Open("one");
        server.Serve(call =>
        {
            if (call.Request.Verb == VmVerb.Watch) call.Watch(watchers);
            else watchers.Tell(VmEvent.Paused, "Why not.");
            return Echo(call);
        });
        using LocalConnection watcher = Connect("one"), other = Connect("one");
        Assert.Equal("watch", Ask(watcher, "{\"verb\":\"watch\"}").Message);
        Assert.Equal("watch", Ask(watcher, "{\"verb\":\"watch\"}").Message);
        Assert.Equal("pause", Ask(other, "{\"verb\":\"pause\"}").Message);
        // What a request brings about is told before its answer, and once.
        VmReply told = Ask(watcher, "{\"verb\":\"again\"}");
        Assert.Equal((VmReplyKind.Event, VmEvent.Paused, "Why not."), (told.Kind, told.Event, told.Message));
        Assert.True(watcher.TryReadLine(out ReadOnlySpan<byte> second, 30_000));
        Assert.Equal(VmReplyKind.Event, ControlLine.ReadReply(second).Kind);
        Assert.True(watcher.TryReadLine(out ReadOnlySpan<byte> answer, 30_000));
        Assert.Equal("again", ControlLine.ReadReply(answer).Message);
        watcher.Dispose();
        watchers.Tell(VmEvent.Running);
        Assert.Equal("pause", Ask(other, "{\"verb\":\"pause\"}").Message);
    }

    [Fact]
    public void Only_the_user_can_enter_the_directory()
    {
        using ControlServer server = ControlServer.Open("one");
        const UnixFileMode ForOthers = (UnixFileMode)0x3f;
        Assert.Equal((UnixFileMode)0, File.GetUnixFileMode(Path.GetDirectoryName(Socket("one"))!) & ForOthers);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Socket("one")));
    }

    [Fact]
    public void A_second_machine_of_the_same_name_is_refused_and_the_name_is_free_afterwards()
    {
        using (ControlServer server = ControlServer.Open("one"))
        {
            ConfigException refused = Assert.Throws<ConfigException>(() => ControlServer.Open("one"));
            Assert.StartsWith("A machine named 'one' runs already", refused.Message, StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(Path.Combine(_root, "hutch", "one")));
        ControlServer.Open("one").Dispose();
    }

    [Fact]
    public void What_a_killed_machine_left_is_replaced()
    {
        Directory.CreateDirectory(Path.Combine(_root, "hutch", "one"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.WriteAllText(Socket("one"), "");
        File.WriteAllText(Path.Combine(_root, "hutch", "one", VmName.LockFile), "");
        using ControlServer server = ControlServer.Open("one");
        server.Serve(Echo);
        using LocalConnection connection = Connect("one");
        Assert.Equal("x", Ask(connection, "{\"verb\":\"x\"}").Message);
    }

    [Fact]
    public void A_directory_that_others_can_write_is_refused()
    {
        Directory.CreateDirectory(Path.Combine(_root, "hutch", "one"));
        File.SetUnixFileMode(Path.Combine(_root, "hutch", "one"), (UnixFileMode)0x1ff);
        Assert.Contains("is not this user's alone", Assert.Throws<ConfigException>(() => ControlServer.Open("one")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_peer_that_sends_without_end_loses_its_connection_and_others_are_served()
    {
        using ControlServer server = ControlServer.Open("one");
        server.Serve(Echo);
        using LocalConnection bad = Connect("one");
        byte[] flood = new byte[LocalConnection.LongestLine];
        Array.Fill(flood, (byte)'x');
        while (bad.Write(flood)) { }
        using LocalConnection good = Connect("one");
        Assert.Equal("x", Ask(good, "{\"verb\":\"x\"}").Message);
    }

    [Fact]
    public void The_end_of_the_server_ends_its_connections()
    {
        ControlServer server = ControlServer.Open("one");
        server.Serve(Echo);
        using LocalConnection connection = Connect("one");
        Assert.Equal("x", Ask(connection, "{\"verb\":\"x\"}").Message);
        server.Dispose();
        Assert.False(connection.TryReadLine(out _));
        Assert.Null(LocalConnection.Connect(Socket("one")));
    }
}
