using System;
using System.Collections.Generic;
using System.IO;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Daemon.Libvirt.Procedures;
using Hutch.Daemon.Libvirt.Rpc;
using Hutch.Host.Events;
using Hutch.Host.Files;
using Hutch.Host.Linux;
using Hutch.Host.Time;
using Hutch.Host.Trials;
using Hutch.Management;
using Hutch.Management.Domains;
using Hutch.Management.Events;
using Hutch.Management.Machines;

namespace Hutch.Daemon;

/// <summary>The program <c>hutchd</c>: opens its sockets and serves until a signal ends it.</summary>
internal static class Program
{
    private const int Failed = 1;

    private static async Task<int> Main(string[] arguments)
    {
        try
        {
            await RunAsync(DaemonOptions.Parse(arguments)).ConfigureAwait(false);
            return 0;
        }
        catch (Exception refused) when (refused is IOException or LinuxException or UnauthorizedAccessException or ManagementException)
        {
            Say(refused.Message);
            return Failed;
        }
    }

    private static async Task RunAsync(DaemonOptions options)
    {
        using CancellationTokenSource ending = new();
        using PosixSignalRegistration interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, End), terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, End);
        List<RpcListener> listeners = [];
        using MachineStarter machines = new(options.VmmProgram);
        try
        {
            CallContext daemon = new(SystemTrials.UserId, ending.Token);
            DomainFolders folders = DomainFolders.OfThisUser();
            EventHub events = new();
            DomainDriver domains = new(folders, machines, events, Say);
            await domains.LoadAsync(daemon).ConfigureAwait(false);
            listeners.AddRange(options.Open());
            foreach (RpcListener listener in listeners) Say($"Listening on {listener.Path}{(listener.IsReadOnly ? ", for those who may only look" : "")}.");
            if (IsFirstOfThisBoot(folders.Runtime)) await domains.AutostartAsync(daemon).ConfigureAwait(false);
            ProcedureTable procedures = DaemonProcedures.Create(domains, events, options.Uri);
            await new RpcServer(procedures, DaemonOptions.MayEnter, new MonotonicClock(), Say).RunAsync(listeners, ending.Token).ConfigureAwait(false);
        }
        finally
        {
            foreach (RpcListener listener in listeners) listener.Dispose();
        }

        void End(PosixSignalContext signal)
        {
            signal.Cancel = true;
            ending.Cancel();
        }
    }

    // The runtime directory is empty when the host starts. A domain that was shut down since then stays so.
    private static bool IsFirstOfThisBoot(string runtime)
    {
        string stamp = Path.Combine(runtime, "autostarted");
        if (File.Exists(stamp)) return false;
        RuntimeDirectory.Create(runtime);
        File.WriteAllBytes(stamp, []);
        return true;
    }

    private static void Say(string sentence) => StandardError.WriteLine(Encoding.UTF8.GetBytes($"hutchd: {sentence}"));
}
