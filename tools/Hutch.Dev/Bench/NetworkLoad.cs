using System;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Hutch.Dev.Bench;

/// <summary>One TCP connection between a program inside a guest (net-load.c) and this process, as fast as it goes; the host counts and times.</summary>
internal static class NetworkLoad
{
    private const int Block = 128 << 10;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60), WarmUp = TimeSpan.FromSeconds(1), Measured = TimeSpan.FromSeconds(4);

    /// <summary>Megabytes (10^6 bytes) a second.</summary>
    /// <param name="guest">A guest with the program, whose network card is up.</param>
    /// <param name="host">This process's address, as the guest sees it.</param>
    /// <param name="sends">The guest sends; else it receives.</param>
    internal static double Run(Guest guest, string host, bool sends)
    {
        using TcpListener listener = new(IPAddress.Any, 0);
        listener.Start();
        guest.Send($"/tmp/net-load {host} {((IPEndPoint)listener.LocalEndpoint).Port} {(sends ? "send" : "receive")}; echo net-lo''ad ended\n");
        double rate;
        using (Socket socket = Accept(listener, guest))
        {
            byte[] block = new byte[Block];
            Move(socket, block, sends, WarmUp);
            long start = Stopwatch.GetTimestamp(), bytes = Move(socket, block, sends, Measured);
            rate = bytes / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e6;
            // Nothing of what is on its way is waited for.
            socket.LingerState = new LingerOption(true, 0);
        }
        return guest.WaitFor("net-load ended", Patience) ? rate : throw new InvalidOperationException($"The connection was not closed:\n{guest.Transcript}");
    }

    private static Socket Accept(TcpListener listener, Guest guest)
    {
        using System.Threading.CancellationTokenSource late = new(Patience);
        try
        {
            Socket socket = listener.AcceptSocketAsync(late.Token).AsTask().GetAwaiter().GetResult();
            socket.ReceiveTimeout = socket.SendTimeout = (int)Patience.TotalMilliseconds;
            return socket;
        }
        catch (OperationCanceledException)
        {
            throw new InvalidOperationException($"The guest does not reach the host:\n{guest.Transcript}");
        }
    }

    private static long Move(Socket socket, byte[] block, bool sends, TimeSpan duration)
    {
        long start = Stopwatch.GetTimestamp(), bytes = 0;
        while (Stopwatch.GetElapsedTime(start) < duration)
        {
            int count = sends ? socket.Receive(block) : socket.Send(block);
            if (count == 0) throw new InvalidOperationException("The guest closed the connection.");
            bytes += count;
        }
        return bytes;
    }
}
