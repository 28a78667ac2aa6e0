using System;
using System.Runtime.InteropServices;
using System.Threading;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Run;

/// <summary>
/// Turns SIGHUP, SIGINT, SIGQUIT and SIGTERM into an orderly end: disks flushed, terminal restored, status 128 + signal.
/// A second signal ends the process at once (the terminal is still restored).
/// </summary>
internal sealed class SignalExit : IDisposable
{
    private static readonly (PosixSignal Signal, int Number)[] Handled =
        [(PosixSignal.SIGHUP, 1), (PosixSignal.SIGINT, 2), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGTERM, 15)];

    private readonly PosixSignalRegistration[] _registrations;
    private int _count;

    /// <summary>Registers; <paramref name="leave"/> is called with the exit status on a thread of the runtime.</summary>
    internal SignalExit(Action<int> leave)
    {
        _registrations = new PosixSignalRegistration[Handled.Length];
        for (int index = 0; index < Handled.Length; index++)
        {
            int status = ExitStatus.FromSignal(Handled[index].Number);
            _registrations[index] = PosixSignalRegistration.Create(Handled[index].Signal, context =>
            {
                context.Cancel = true;
                if (Interlocked.Increment(ref _count) == 1) leave(status);
#pragma warning disable RS0030 // A signal ends the process from its own thread.
                else Environment.Exit(status);
#pragma warning restore RS0030
            });
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations) registration.Dispose();
    }
}
