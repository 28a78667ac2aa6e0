using System;
using System.Collections.Generic;
using System.Net.Sockets;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Model.Control;

namespace Hutch.Management.Machines;

/// <summary>
/// The connection by which a machine is watched for as long as it lives. What it says comes in its order: an event that a request brings about comes before the request's answer.
/// The process is not trusted.
/// </summary>
internal sealed class MachineLink : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly MachineSocket _socket;
    private readonly Action<MachineLink, VmReply> _happened;
    private readonly Lock _lock = new();
    private readonly Queue<TaskCompletionSource<VmReply?>> _asked = new();
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly CancellationTokenSource _ending = new();
    private bool _ended;

    private MachineLink(MachineSocket socket, Action<MachineLink, VmReply> happened) => (_socket, _happened) = (socket, happened);

    /// <summary>What it did when it was first asked.</summary>
    internal VmStatus First { get; private set; } = null!;

    /// <summary>Completes when the machine closed the connection, after its last event was passed on.</summary>
    internal Task Ended { get; private set; } = Task.CompletedTask;

    /// <summary>Watches a machine; null where none answers in time.</summary>
    /// <param name="path">Its control socket.</param>
    /// <param name="happened">Called for each event, one at a time; does not wait for this link.</param>
    /// <param name="cancellation">Gives it up.</param>
    internal static async ValueTask<MachineLink?> OpenAsync(string path, Action<MachineLink, VmReply> happened, CancellationToken cancellation)
    {
        if (await MachineSocket.ConnectAsync(path, cancellation).ConfigureAwait(false) is not { } socket) return null;
        MachineLink link = new(socket, happened);
        link.Ended = link.ReadAsync();
        if ((await link.AskAsync(new VmRequest(VmVerb.Watch), cancellation).ConfigureAwait(false))?.Status is { } status)
        {
            link.First = status;
            return link;
        }
        link.Dispose();
        return null;
    }

    /// <summary>Asks; null where the machine is gone or does not answer in time. Throws <see cref="ManagementException"/> for a refusal.</summary>
    internal async ValueTask<VmReply?> AskAsync(VmRequest request, CancellationToken cancellation)
    {
        TaskCompletionSource<VmReply?> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            await _sending.WaitAsync(_ending.Token).ConfigureAwait(false);
            try
            {
                lock (_lock)
                {
                    if (_ended) return null;
                    _asked.Enqueue(answer);
                }
                await _socket.SendAsync(ControlLine.Write(request), _ending.Token).ConfigureAwait(false);
            }
            finally
            {
                _sending.Release();
            }
            VmReply? reply = await answer.Task.WaitAsync(Patience, cancellation).ConfigureAwait(false);
            return reply?.Kind == VmReplyKind.Error ? throw new ManagementException(FailureKind.Refused, reply.Message ?? "the machine refused") : reply;
        }
        catch (Exception gone) when (gone is SocketException or TimeoutException or ObjectDisposedException || (gone is OperationCanceledException && _ending.IsCancellationRequested))
        {
            return null;
        }
    }

    /// <summary>Ends the connection; the machine lives on.</summary>
    public void Dispose()
    {
        _ending.Cancel();
        _socket.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            while (await _socket.ReadLineAsync(_ending.Token).ConfigureAwait(false) is { } line) Take(ControlLine.ReadReply(line.Span));
        }
        catch (Exception gone) when (gone is SocketException or JsonException or OperationCanceledException or ObjectDisposedException)
        {
            // Nonsense is as good as no machine.
        }
        lock (_lock)
        {
            _ended = true;
            while (_asked.TryDequeue(out TaskCompletionSource<VmReply?>? waiting)) waiting.SetResult(null);
        }
        Dispose();
    }

    private void Take(VmReply reply)
    {
        if (reply.Kind == VmReplyKind.Event)
        {
            _happened(this, reply);
            return;
        }
        if (reply.Kind == VmReplyKind.Progress) return;
        lock (_lock)
            if (_asked.TryDequeue(out TaskCompletionSource<VmReply?>? waiting)) waiting.SetResult(reply);
    }
}
