using System;
using System.Collections.Concurrent;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Procedures;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Host.Time;
using Hutch.Management.Domains;
using Hutch.Management.Events;
using Hutch.Tests.Management;

namespace Hutch.Tests.Daemon.Libvirt;

/// <summary>A daemon in this process, on sockets in a folder of its own, whose domains are the machines in another.</summary>
internal sealed class TestDaemon : IDisposable
{
    private readonly CancellationTokenSource _ending = new();
    private readonly RpcListener[] _listeners;
    private readonly Task _serving;

    internal TestDaemon()
    {
        Folder = Directory.CreateTempSubdirectory("hutchd-").FullName;
        Directory.CreateDirectory(Machines, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Starter = new FakeStarter(Machines);
        EventHub events = new();
        Domains = new DomainDriver(new DomainFolders(Path.Combine(Folder, "state"), Path.Combine(Folder, "run"), Machines), Starter, events, Log.Enqueue);
        Procedures = DaemonProcedures.Create(Domains, events, "qemu:///system");
        _listeners = [RpcListener.Open(SocketPath, isReadOnly: false, UnixFileMode.UserRead | UnixFileMode.UserWrite), RpcListener.Open($"{SocketPath}-ro", isReadOnly: true, UnixFileMode.UserRead | UnixFileMode.UserWrite)];
        _serving = new RpcServer(Procedures, (_, _) => true, new MonotonicClock(), Log.Enqueue).RunAsync(_listeners, _ending.Token);
    }

    internal string Folder { get; }

    internal string Machines => Path.Combine(Folder, "machines");

    internal string SocketPath => Path.Combine(Folder, "sock");

    internal ProcedureTable Procedures { get; }

    internal FakeStarter Starter { get; }

    internal DomainDriver Domains { get; }

    internal ConcurrentQueue<string> Log { get; } = new();

    public void Dispose()
    {
        _ending.Cancel();
        _serving.GetAwaiter().GetResult();
        foreach (RpcListener listener in _listeners) listener.Dispose();
        _ending.Dispose();
        Starter.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
