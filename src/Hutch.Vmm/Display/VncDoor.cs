using System;
using System.IO;
using System.Net.Sockets;
using System.Threading;
using Hutch.Host.Sockets;

namespace Hutch.Vmm.Display;

/// <summary>An address where clients come in: a thread that takes connections until the end.</summary>
internal sealed class VncDoor : IDisposable
{
    private const int StackBytes = 256 * 1024, PauseMs = 100;

    private readonly StreamListener _listener;
    private readonly Action<Stream> _take;
    private readonly CancellationTokenSource _ending = new();
    private readonly Thread _thread;

    /// <summary>Opens it.</summary>
    /// <param name="listener">The address, which is the door's from now on.</param>
    /// <param name="name">The thread's name.</param>
    /// <param name="take">Takes a connection over; called on the door's thread.</param>
    internal VncDoor(StreamListener listener, string name, Action<Stream> take)
    {
        (_listener, _take) = (listener, take);
        _thread = new Thread(Accept, StackBytes) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>The TCP port; 0 for a UNIX socket.</summary>
    internal int Port => _listener.Port;

    /// <summary>Takes no more connections. Those that were taken go on.</summary>
    public void Dispose()
    {
        _ending.Cancel();
        _listener.Dispose();
        _thread.Join();
        _ending.Dispose();
    }

    private void Accept()
    {
        while (!_ending.IsCancellationRequested)
        {
            try
            {
                _take(_listener.AcceptAsync(_ending.Token).AsTask().GetAwaiter().GetResult());
            }
            catch (Exception end) when (end is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // A connection that was gone before it was taken, or no descriptors left for one: those that end give some back.
                _ = _ending.Token.WaitHandle.WaitOne(PauseMs);
            }
        }
    }
}
