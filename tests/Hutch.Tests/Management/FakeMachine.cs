using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Threading.Tasks;
using Hutch.Model.Control;

namespace Hutch.Tests.Management;

/// <summary>The control socket of a machine that runs nowhere: answers what it is told to, and keeps what it was asked.</summary>
internal sealed class FakeMachine : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _name;
    private readonly ConcurrentDictionary<Socket, bool> _connections = new();

    internal FakeMachine(string folder, string name)
    {
        _name = name;
        string own = Path.Combine(folder, name);
        Directory.CreateDirectory(own);
        _socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(own, VmName.SocketFile)));
        _socket.Listen(16);
        _ = AcceptAsync();
    }

    internal ConcurrentQueue<string> Asked { get; } = new();

    internal string State { get; set; } = VmState.Running;

    internal VmDetails Details { get; set; } = new([new VcpuInfo(0, 1, "0", "other", 1.5), new VcpuInfo(1, 2, "0", "other", 0.5)], "0", "/", new MemoryInfo(0, false, false, 0, null)) { MostVcpus = 4 };

    /// <summary>What every question but for its status is refused with.</summary>
    internal string? Refusal { get; set; }

    /// <summary>What it sends instead of an answer.</summary>
    internal byte[]? Nonsense { get; set; }

    /// <summary>Tells whoever watches what happens.</summary>
    internal void Tell(string what, string? message = null)
    {
        byte[] line = ControlLine.Write(new VmReply(VmReplyKind.Event, message) { Event = what });
        foreach ((Socket connection, bool watches) in _connections)
            if (watches) connection.Send(line);
    }

    /// <summary>Its process ends; who watches sees why, where it says so.</summary>
    internal void End(string? why)
    {
        if (why is not null) Tell(why);
        Dispose();
    }

    public void Dispose()
    {
        _socket.Dispose();
        foreach (Socket connection in _connections.Keys) connection.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _ = ServeAsync(await _socket.AcceptAsync());
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task ServeAsync(Socket connection)
    {
        _connections[connection] = false;
        try
        {
            using NetworkStream stream = new(connection, ownsSocket: true);
            using StreamReader lines = new(stream);
            while (await lines.ReadLineAsync() is { } line)
            {
                VmRequest request = ControlLine.ReadRequest(System.Text.Encoding.UTF8.GetBytes(line));
                if (request.Verb == VmVerb.Watch) _connections[connection] = true;
                await stream.WriteAsync(Nonsense ?? Answer(request));
                if (request.Verb == VmVerb.Quit && Refusal is null) End(VmEvent.Left);
            }
        }
        catch (Exception ended) when (ended is IOException or ObjectDisposedException)
        {
        }
        _connections.TryRemove(connection, out _);
    }

    private byte[] Answer(VmRequest request)
    {
        bool isLook = request.Verb is VmVerb.Status or VmVerb.Watch;
        if (!isLook) Asked.Enqueue(string.Join(' ', (IEnumerable<string>)[request.Verb, .. Options(request)]));
        if (Refusal is not null && !isLook) return ControlLine.Write(VmReply.Error(Refusal));
        if (request.Verb == VmVerb.Pause)
        {
            State = VmState.Paused;
            Tell(VmEvent.Paused);
        }
        if (request.Verb == VmVerb.Resume)
        {
            State = VmState.Running;
            Tell(VmEvent.Running);
        }
        VmStatus status = new(_name, State, Environment.ProcessId, "software", Details.Vcpus.Length, 512 << 20);
        return ControlLine.Write(VmReply.Completed with { Status = status, Details = request.Verb == VmVerb.Inspect ? Details : null });
    }

    private static IEnumerable<string> Options(VmRequest request)
    {
        foreach ((string name, string value) in request.Options) yield return $"{name}={value}";
    }
}
