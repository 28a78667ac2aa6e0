using System;
using System.Runtime.InteropServices;
using System.Threading;

namespace Hutch.Cli.Image;

/// <summary>Cancels when the user interrupts the command or asks it to end.</summary>
internal sealed class CancelSource : IDisposable
{
    /// <summary>Exit status of a command that was interrupted.</summary>
    internal const int Status = 130;

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration _interrupt, _terminate;

    /// <summary>Begins to listen.</summary>
    internal CancelSource()
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Cancel);
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Cancel);
    }

    /// <summary>Is cancelled then.</summary>
    internal CancellationToken Token => _source.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
        _source.Dispose();
    }

    private void Cancel(PosixSignalContext context)
    {
        context.Cancel = true;
        _source.Cancel();
    }
}
