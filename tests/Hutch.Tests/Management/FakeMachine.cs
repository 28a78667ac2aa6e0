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

    public void Dispose() => _socket.Dispose();

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
        using NetworkStream stream = new(connection, ownsSocket: true);
        using StreamReader lines = new(stream);
        while (await lines.ReadLineAsync() is { } line) await stream.WriteAsync(Nonsense ?? Answer(ControlLine.ReadRequest(System.Text.Encoding.UTF8.GetBytes(line))));
    }

    private byte[] Answer(VmRequest request)
    {
        if (request.Verb != VmVerb.Status) Asked.Enqueue(string.Join(' ', (IEnumerable<string>)[request.Verb, .. Options(request)]));
        if (Refusal is not null && request.Verb != VmVerb.Status) return ControlLine.Write(VmReply.Error(Refusal));
        if (request.Verb == VmVerb.Pause) State = VmState.Paused;
        if (request.Verb == VmVerb.Resume) State = VmState.Running;
        VmStatus status = new(_name, State, Environment.ProcessId, "software", Details.Vcpus.Length, 512 << 20);
        return ControlLine.Write(VmReply.Completed with { Status = status, Details = request.Verb == VmVerb.Inspect ? Details : null });
    }

    private static IEnumerable<string> Options(VmRequest request)
    {
        foreach ((string name, string value) in request.Options) yield return $"{name}={value}";
    }
}
