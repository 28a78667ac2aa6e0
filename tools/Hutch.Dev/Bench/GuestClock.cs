using System;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Hutch.Dev.Bench;

/// <summary>How far a guest's clock is from the host's: a program in the guest (clock-answer.c) is asked over its network.</summary>
/// <param name="port">A UDP port of 127.0.0.1 that leads to port 9 of the guest.</param>
internal sealed class GuestClock(int port)
{
    private const int Questions = 200, PatienceMilliseconds = 1000;

    /// <summary>Guest's time less the host's, and half the time that the quickest of many questions took: no more can the offset be wrong. In milliseconds.</summary>
    internal (double Offset, double Uncertainty) Compare()
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = PatienceMilliseconds };
        socket.Connect(IPAddress.Loopback, port);
        byte[] question = [0], answer = new byte[8];
        (double Offset, double Uncertainty) best = (double.NaN, double.MaxValue);
        for (int i = 0; i < Questions; i++)
        {
            DateTime asked = DateTime.UtcNow;
            long start = Stopwatch.GetTimestamp();
            socket.Send(question);
            try
            {
                if (socket.Receive(answer) != answer.Length) continue;
            }
            catch (SocketException error) when (error.SocketErrorCode is SocketError.TimedOut or SocketError.ConnectionRefused)
            {
                continue;
            }
            double half = Stopwatch.GetElapsedTime(start).TotalMilliseconds / 2;
            double guest = BitConverter.ToInt64(answer) / 1e6, host = (asked - DateTime.UnixEpoch).TotalMilliseconds + half;
            if (half < best.Uncertainty) best = (guest - host, half);
        }
        return best.Uncertainty < double.MaxValue ? best : throw new InvalidOperationException("The guest does not answer.");
    }
}
