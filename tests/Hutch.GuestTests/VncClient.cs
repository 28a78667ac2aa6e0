using System;
using System.Net.Sockets;
using System.Threading.Tasks;

namespace Hutch.GuestTests;

/// <summary>The part of a viewer that types and points (RFC 6143), without a password.</summary>
internal sealed class VncClient : IDisposable
{
    /// <summary>Has a guest keep the next line that is typed on its screen's terminal; returns when it listens.</summary>
    internal const string Listen = "head -n 1 /dev/tty1 >/tmp/line & until ls -l /proc/$!/fd | grep -q /dev/tty1; do usleep 20000; done";

    /// <summary>Prints that line when it is there.</summary>
    internal const string Heard = "wait; cat /tmp/line";

    private readonly NetworkStream _stream;

    private VncClient(NetworkStream stream) => _stream = stream;

    /// <summary>Connects to a UNIX socket.</summary>
    internal static async Task<VncClient> Connect(string path)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path));
        NetworkStream stream = new(socket, ownsSocket: true);
        byte[] answer = new byte[64];
        // §7.1.1, §7.1.2, §7.1.3, §7.3.1.
        await stream.ReadExactlyAsync(answer.AsMemory(0, 12));
        await stream.WriteAsync("RFB 003.008\n"u8.ToArray());
        await stream.ReadExactlyAsync(answer.AsMemory(0, 2));
        await stream.WriteAsync(new byte[] { 1 });
        await stream.ReadExactlyAsync(answer.AsMemory(0, 4));
        await stream.WriteAsync(new byte[] { 1 });
        return new VncClient(stream);
    }

    /// <summary>Presses and releases the keys of a line, and Return.</summary>
    internal async Task TypeLine(string line)
    {
        foreach (char letter in line + "\r")
            foreach (byte down in (byte[])[1, 0])
                await _stream.WriteAsync(new byte[] { 4, down, 0, 0, 0, 0, letter == '\r' ? (byte)0xff : (byte)0, letter == '\r' ? (byte)0x0d : (byte)letter });
    }

    /// <summary>Puts the pointer somewhere, with these buttons down.</summary>
    internal async Task Point(byte buttons, ushort x, ushort y) => await _stream.WriteAsync(new byte[] { 5, buttons, (byte)(x >> 8), (byte)x, (byte)(y >> 8), (byte)y });

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();
}
