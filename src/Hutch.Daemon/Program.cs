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
using Hutch.Host.Linux;
using Hutch.Host.Time;
using Hutch.Management.Domains;

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
        catch (Exception refused) when (refused is IOException or LinuxException or UnauthorizedAccessException)
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
        try
        {
            listeners.AddRange(options.Open());
            foreach (RpcListener listener in listeners) Say($"Listening on {listener.Path}{(listener.IsReadOnly ? ", for those who may only look" : "")}.");
            ProcedureTable procedures = DaemonProcedures.Create(MachineDriver.OfThisUser(), options.Uri);
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

    private static void Say(string sentence) => StandardError.WriteLine(Encoding.UTF8.GetBytes($"hutchd: {sentence}"));
}
