using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;
using Hutch.Host.Events;
using Hutch.Host.Sockets;
using static Hutch.Devices.Virtio.Vsock.VsockPacket;

namespace Hutch.Devices.Virtio.Vsock;

/// <summary>
/// The host's side of a vsock, as Firecracker has it: the guest's connections to port P of the host go to the UNIX socket PATH_P, and who connects to PATH and writes
/// <c>CONNECT P</c> and a line feed gets port P of the guest, after the answer <c>OK</c> and the host's port. It knows packets, not queues. On the device's worker.
/// </summary>
internal sealed class VsockHost : IDisposable
{
    /// <summary>The most connections.</summary>
    internal const int MostConnections = 512;

    /// <summary>Peers that have not yet said which port they want; one more sends the oldest away.</summary>
    internal const int MostGreeters = 16;

    // Resets that wait for the guest's buffers; when there are so many, nothing more is heard of the guest.
    private const int MostResets = 64;
    private const uint FirstHostPort = 1U << 30;

    private readonly ulong _guestCid;
    private readonly string _path;
    private readonly ILocalStreams _streams;
    private readonly ILocalStreamListener _listener;
    private readonly Dictionary<(uint Guest, uint Host), VsockConnection> _known = [];
    private readonly List<VsockConnection> _connections = [];
    private readonly List<Greeter> _greeters = [];
    private readonly Queue<VsockPacket> _resets = [];
    private uint _nextHostPort = FirstHostPort;
    private int _turn;

    /// <summary>Listens on <paramref name="path"/>. Throws what <see cref="ILocalStreams.Listen"/> throws.</summary>
    internal VsockHost(ulong guestCid, string path, ILocalStreams streams)
    {
        (_guestCid, _path, _streams) = (guestCid, path, streams);
        _listener = streams.Listen(path);
    }

    /// <summary>Connections that there are.</summary>
    internal int ConnectionCount => _connections.Count;

    /// <summary>A packet of the guest's can be taken: what must be answered has its place.</summary>
    internal bool MayTake => _resets.Count < MostResets;

    /// <summary>Takes a packet of the guest's, of which anything may be wrong.</summary>
    /// <param name="packet">Its header.</param>
    /// <param name="data">What is behind it; empty when that is longer than any connection has room for.</param>
    internal void Take(in VsockPacket packet, ReadOnlySpan<byte> data)
    {
        // Who says that he is somebody else is not answered (§5.10.6.1).
        if (packet.SourceCid != _guestCid) return;
        VsockConnection? connection = null;
        if (packet.TargetCid == HostCid && packet.Type == VsockPacket.Stream) _ = _known.TryGetValue((packet.SourcePort, packet.TargetPort), out connection);
        if (packet.Operation == VsockOperation.Reset)
        {
            if (connection is not null) Remove(connection);
            return;
        }
        if (connection is null)
        {
            if (packet.Operation != VsockOperation.Request || packet.TargetCid != HostCid || packet.Type != VsockPacket.Stream || !Connect(packet)) _resets.Enqueue(packet.Refusal());
            return;
        }
        if (connection.Take(packet, data) && !connection.IsDone) return;
        Remove(connection);
        _resets.Enqueue(packet.Refusal());
    }

    /// <summary>Lets peers in and hears which port they want, and passes on what waits.</summary>
    internal void Move()
    {
        for (int come = 0; come < MostGreeters && _listener.TryAccept() is { } peer; come++)
        {
            if (_greeters.Count == MostGreeters) Dismiss(0);
            _greeters.Add(new Greeter(peer));
        }
        for (int i = _greeters.Count - 1; i >= 0; i--) Hear(i);
        for (int i = _connections.Count - 1; i >= 0; i--)
        {
            VsockConnection connection = _connections[i];
            connection.Flush();
            if (!connection.IsDone) continue;
            Remove(connection);
            Refuse(connection);
        }
    }

    /// <summary>Writes the next packet for the guest and returns its length; 0: there is none.</summary>
    /// <param name="buffer">Room for a header and a byte at least.</param>
    internal int Next(Span<byte> buffer)
    {
        if (_resets.TryDequeue(out VsockPacket reset))
        {
            reset.Write(buffer);
            return Bytes;
        }
        for (int tried = 0; tried < _connections.Count; tried++)
        {
            // Each connection has its turn.
            if (++_turn >= _connections.Count) _turn = 0;
            int length = _connections[_turn].Next(buffer);
            if (length != 0) return length;
        }
        return 0;
    }

    /// <summary>Adds what there is to wait for.</summary>
    /// <param name="polls">Where to.</param>
    /// <param name="hasBuffers">The guest has given buffers for packets.</param>
    internal void Await(PollSet polls, bool hasBuffers)
    {
        polls.Add(_listener.Descriptor, read: true, write: false);
        foreach (Greeter greeter in _greeters) polls.Add(greeter.Stream.Descriptor, read: true, write: false);
        foreach (VsockConnection connection in _connections) connection.Await(polls, hasBuffers);
    }

    /// <summary>Ends all connections without telling the guest.</summary>
    internal void Clear()
    {
        foreach (VsockConnection connection in _connections) connection.Dispose();
        _connections.Clear();
        _known.Clear();
        _resets.Clear();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Clear();
        while (_greeters.Count != 0) Dismiss(0);
        _listener.Dispose();
    }

    private bool Connect(in VsockPacket packet)
    {
        if (!MakeRoom() || _streams.TryConnect($"{_path}_{packet.TargetPort.ToString(CultureInfo.InvariantCulture)}") is not { } stream) return false;
        VsockConnection connection = new(_guestCid, packet.SourcePort, packet.TargetPort, stream, isOpen: true);
        Add(connection);
        connection.Learn(packet);
        return true;
    }

    // A connection whose host's end is gone waits for the guest to see it, but not in another's way.
    private bool MakeRoom()
    {
        if (_connections.Count < MostConnections) return true;
        VsockConnection? over = _connections.Find(static one => one.IsOver);
        if (over is null) return false;
        Remove(over);
        Refuse(over);
        return true;
    }

    private void Add(VsockConnection connection)
    {
        _known.Add((connection.GuestPort, connection.HostPort), connection);
        _connections.Add(connection);
    }

    private void Remove(VsockConnection connection)
    {
        _known.Remove((connection.GuestPort, connection.HostPort));
        _connections.Remove(connection);
        connection.Dispose();
    }

    private void Refuse(VsockConnection connection) => _resets.Enqueue(new VsockPacket
    {
        SourceCid = HostCid, TargetCid = _guestCid, SourcePort = connection.HostPort, TargetPort = connection.GuestPort, Type = VsockPacket.Stream, Operation = VsockOperation.Reset,
    });

    private void Hear(int index)
    {
        Greeter greeter = _greeters[index];
        if (!greeter.Hear()) return;
        if (greeter.Port is not uint port || !MakeRoom())
        {
            Dismiss(index);
            return;
        }
        _greeters.RemoveAt(index);
        // Numbers come round again after a billion; one that is in use is passed over.
        while (_known.ContainsKey((port, _nextHostPort))) Advance();
        Add(new VsockConnection(_guestCid, port, _nextHostPort, greeter.Stream, isOpen: false));
        Advance();
    }

    private void Advance() => _nextHostPort = _nextHostPort >= int.MaxValue ? FirstHostPort : _nextHostPort + 1;

    private void Dismiss(int index)
    {
        _greeters[index].Stream.Dispose();
        _greeters.RemoveAt(index);
    }

    /// <summary>A peer that has not said everything yet.</summary>
    private sealed class Greeter(ILocalStream stream)
    {
        private const string Word = "CONNECT ";
        private const int LongestLine = 32;

        private readonly byte[] _line = new byte[LongestLine];
        private int _length;

        internal ILocalStream Stream => stream;

        /// <summary>The port that it wants; null: it said nothing that makes sense.</summary>
        internal uint? Port { get; private set; }

        /// <summary>Reads on, byte by byte, because what comes behind the line is the guest's. True at the end.</summary>
        internal bool Hear()
        {
            while (_length < LongestLine)
            {
                int count = stream.Receive(_line.AsSpan(_length, 1));
                if (count < 0) return false;
                if (count == 0) return true;
                if (_line[_length++] != (byte)'\n') continue;
                string line = Encoding.ASCII.GetString(_line, 0, _length - 1);
                if (line.StartsWith(Word, StringComparison.OrdinalIgnoreCase) && uint.TryParse(line.AsSpan(Word.Length), NumberStyles.None, CultureInfo.InvariantCulture, out uint port)) Port = port;
                return true;
            }
            return true;
        }
    }
}
