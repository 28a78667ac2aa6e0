using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Threading;

namespace Hutch.Tests.Devices.Tpm;

/// <summary>swtpm as far as a client sees it, for one client (swtpm, include/swtpm/tpm_ioctl.h). It ends when that leaves.</summary>
internal sealed unsafe class FakeSwtpm : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly string _path;
    private readonly Thread _thread;
    private Socket? _data;
    private bool _isOn;

    internal FakeSwtpm(string path)
    {
        _path = path;
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen(1);
        _thread = new Thread(Serve) { IsBackground = true };
        _thread.Start();
    }

    internal ulong Capabilities { get; init; } = 0xffff;

    internal bool IsTpm12 { get; init; }

    /// <summary>Requests in their order: their numbers, and of those that have one the argument.</summary>
    internal List<(uint Command, uint Argument)> Requests { get; } = [];

    /// <summary>Permanent, volatile, saved.</summary>
    internal byte[][] State { get; } = [[1, 2, 3], [4], []];

    /// <summary>The client is gone, and with it this.</summary>
    internal bool WaitForEnd() => _thread.Join(TimeSpan.FromSeconds(20));

    /// <summary>Nothing more comes by the socket for commands, as when the process is killed.</summary>
    internal void Break() => _data!.Shutdown(SocketShutdown.Both);

    public void Dispose()
    {
        _listener.Dispose();
        _data?.Dispose();
    }

    private void Serve()
    {
        using Socket control = _listener.Accept();
        _listener.Dispose();
        File.Delete(_path);
        try
        {
            ServeRequests(control);
        }
        catch (Exception ended) when (ended is SocketException or EndOfStreamException)
        {
            // The client is gone.
        }
        _data?.Dispose();
    }

    private void ServeRequests(Socket control)
    {
        while (ReceiveCommand(control) is uint command)
        {
            bool hasArguments = command is 2 or 5 or 12 or 13 or 17;
            uint[] words = hasArguments ? [.. Words(control, command is 12 or 13 ? 3 : 1)] : [];
            lock (Requests) Requests.Add((command, command is 12 or 13 ? words[1] : words.FirstOrDefault()));
            Answer(control, command, words);
            if (command == 3) break;
        }
    }

    private void Answer(Socket control, uint command, uint[] words)
    {
        switch (command)
        {
            case 1: Send(control, (uint)(Capabilities >> 32), (uint)Capabilities); break;
            case 2:
                _isOn = true;
                Send(control, 0);
                break;
            case 4: Send(control, _isOn ? 0 : 10u, 0); break;
            case 12:
                byte[] part = State[words[1] - 1];
                Send(control, part.Length == 0 ? 0x800 : 0u, 0, (uint)part.Length, (uint)part.Length);
                control.Send(part);
                break;
            case 13:
                State[words[1] - 1] = Bytes(control, (int)words[2]);
                Send(control, 0);
                break;
            case 14:
                _isOn = false;
                Send(control, 0);
                break;
            case 17: Send(control, 0, words[0], 0xaf8, 0x1000); break;
            default: Send(control, 0); break;
        }
    }

    // Responses: a failure before it is on, then success with the command's code behind the header.
    private void ServeCommands()
    {
        try
        {
            while (true)
            {
                byte[] header = Bytes(_data!, 10);
                Bytes(_data!, (int)BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(2)) - 10);
                _data!.Send(_isOn ? [0x80, 0x01, 0, 0, 0, 14, 0, 0, 0, 0, .. header[6..]] : (byte[])[IsTpm12 ? (byte)0 : (byte)0x80, IsTpm12 ? (byte)0xc4 : (byte)1, 0, 0, 0, 10, 0, 0, 1, 1]);
            }
        }
        catch (Exception ended) when (ended is SocketException or EndOfStreamException or ObjectDisposedException)
        {
            // The client is gone.
        }
    }

    // A command's number; a descriptor may be with it.
    private uint? ReceiveCommand(Socket control)
    {
        byte* bytes = stackalloc byte[4];
        byte* ancillary = stackalloc byte[24];
        nint* vector = stackalloc nint[2];
        (vector[0], vector[1]) = ((nint)bytes, 4);
        MessageHeader message = new() { Segments = vector, SegmentCount = 1, Control = ancillary, ControlLength = 24 };
        if (ReceiveMessage((int)control.SafeHandle.DangerousGetHandle(), &message, 0) != 4) return null;
        if (message.ControlLength != 0)
        {
            _data = new Socket(new SafeSocketHandle(*(int*)(ancillary + 16), ownsHandle: true));
            new Thread(ServeCommands) { IsBackground = true }.Start();
        }
        return BinaryPrimitives.ReadUInt32BigEndian(new ReadOnlySpan<byte>(bytes, 4));
    }

    private static IEnumerable<uint> Words(Socket socket, int count)
    {
        for (int i = 0; i < count; i++) yield return BinaryPrimitives.ReadUInt32BigEndian(Bytes(socket, 4));
    }

    private static byte[] Bytes(Socket socket, int count)
    {
        byte[] bytes = new byte[count];
        for (int done = 0; done < count;)
        {
            int part = socket.Receive(bytes, done, count - done, SocketFlags.None);
            if (part == 0) throw new EndOfStreamException();
            done += part;
        }
        return bytes;
    }

    private static void Send(Socket socket, params ReadOnlySpan<uint> words)
    {
        byte[] answer = new byte[4 * words.Length];
        for (int i = 0; i < words.Length; i++) BinaryPrimitives.WriteUInt32BigEndian(answer.AsSpan(4 * i), words[i]);
        socket.Send(answer);
    }

    [DllImport("libc", EntryPoint = "recvmsg")]
    private static extern nint ReceiveMessage(int socket, MessageHeader* message, int flags);

    [StructLayout(LayoutKind.Sequential)]
    private struct MessageHeader
    {
        internal void* Name;
        internal uint NameLength;
        internal void* Segments;
        internal nuint SegmentCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }
}
