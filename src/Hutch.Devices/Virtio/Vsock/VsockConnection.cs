using System;
using System.Text;
using Hutch.Host.Events;
using Hutch.Host.Sockets;
using static Hutch.Devices.Virtio.Vsock.VsockPacket;

namespace Hutch.Devices.Virtio.Vsock;

/// <summary>
/// One connection of a port of the guest's with a stream of the host's. The guest's bytes wait here while the stream has no room for them, as many as the guest was told that there is room
/// for; the host's wait in the stream while the guest has none. On the device's worker.
/// </summary>
internal sealed class VsockConnection : IDisposable
{
    /// <summary>Room for bytes of the guest's: what it is told.</summary>
    internal const int RoomBytes = 64 << 10;

    private readonly ILocalStream _stream;
    private readonly ulong _guestCid;
    private byte[] _held = [];
    private int _heldFirst, _heldCount;
    private uint _takenBytes, _toldTakenBytes;
    private uint _guestRoomBytes, _guestTakenBytes, _sentBytes;
    private bool _isOpen, _requestTold, _responseTold, _creditAsked, _creditRequestTold, _hostEnded, _sendingEnded, _gone, _endTold;
    private uint _guestEnds, _tell, _told;

    /// <param name="guestCid">The guest's context id.</param>
    /// <param name="guestPort">The guest's port.</param>
    /// <param name="hostPort">The host's port.</param>
    /// <param name="stream">The host's end, which it owns.</param>
    /// <param name="isOpen">The guest asked for it; otherwise it is asked.</param>
    internal VsockConnection(ulong guestCid, uint guestPort, uint hostPort, ILocalStream stream, bool isOpen)
    {
        (_guestCid, GuestPort, HostPort, _stream, _isOpen) = (guestCid, guestPort, hostPort, stream, isOpen);
        (_requestTold, _responseTold) = (isOpen, !isOpen);
    }

    /// <summary>The guest's port.</summary>
    internal uint GuestPort { get; }

    /// <summary>The host's port.</summary>
    internal uint HostPort { get; }

    /// <summary>The host's end is gone, and the guest has been told.</summary>
    internal bool IsOver => _gone && _endTold;

    /// <summary>The guest wants no more of it, and what it sent has been passed on.</summary>
    internal bool IsDone => _guestEnds == NoMore && (_heldCount == 0 || _gone);

    private uint GuestFreeBytes
    {
        get
        {
            // Both counts wrap. A guest that says nonsense gets nothing, or more than it has room for.
            uint under = _sentBytes - _guestTakenBytes;
            return under >= _guestRoomBytes ? 0 : _guestRoomBytes - under;
        }
    }

    private bool MayReceive => _isOpen && !_gone && !_hostEnded && (_guestEnds & NoMoreReceived) == 0;

    /// <summary>Takes a packet of the guest's. False: it breaks the rules, and the connection with them.</summary>
    /// <param name="packet">Its header.</param>
    /// <param name="data">What is behind it, no more than <see cref="RoomBytes"/>.</param>
    internal bool Take(in VsockPacket packet, ReadOnlySpan<byte> data)
    {
        Learn(packet);
        switch (packet.Operation)
        {
            case VsockOperation.Response when !_isOpen:
                _isOpen = true;
                return Pass(Encoding.ASCII.GetBytes($"OK {HostPort}\n"));
            case VsockOperation.ReadWrite when _isOpen && (_guestEnds & NoMoreSent) == 0:
                return packet.Length <= RoomBytes - _heldCount && TakeData(data);
            case VsockOperation.Shutdown when _isOpen:
                _guestEnds |= packet.Flags & NoMore;
                Flush();
                return true;
            case VsockOperation.CreditUpdate when _isOpen: return true;
            case VsockOperation.CreditRequest when _isOpen:
                _creditAsked = true;
                return true;
            default: return false;
        }
    }

    /// <summary>Every packet says how much room the guest has.</summary>
    internal void Learn(in VsockPacket packet)
    {
        (_guestRoomBytes, _guestTakenBytes) = (packet.RoomBytes, packet.TakenBytes);
        if (GuestFreeBytes != 0) _creditRequestTold = false;
    }

    /// <summary>Passes on what waits, as far as the stream has room, and sees whether the host's end is gone.</summary>
    internal void Flush()
    {
        while (_heldCount != 0 && !_gone)
        {
            int count = _stream.Send(_held.AsSpan(_heldFirst, Math.Min(_heldCount, _held.Length - _heldFirst)));
            if (count < 0) End();
            if (count <= 0) break;
            _heldFirst = (_heldFirst + count) % _held.Length;
            _heldCount -= count;
            _takenBytes += (uint)count;
        }
        if (_gone) return;
        if ((_guestEnds & NoMoreSent) != 0 && _heldCount == 0 && !_sendingEnded)
        {
            _sendingEnded = true;
            _stream.EndSending();
        }
        // Its last bytes come first.
        if (_hostEnded && _stream.IsPeerGone) End();
    }

    /// <summary>Writes the next packet for the guest; 0: there is none. The buffer has room for a header and a byte at least.</summary>
    internal int Next(Span<byte> buffer)
    {
        if (!_requestTold)
        {
            _requestTold = true;
            return Write(buffer, VsockOperation.Request);
        }
        if (!_isOpen) return 0;
        if (!_responseTold)
        {
            _responseTold = true;
            return Write(buffer, VsockOperation.Response);
        }
        int length = Receive(buffer);
        if (length != 0) return length;
        if ((_tell & ~_told) != 0)
        {
            _told |= _tell;
            _endTold = _told == NoMore;
            return Write(buffer, VsockOperation.Shutdown, _told);
        }
        // Half of the room is filled as far as the guest knows, or it wants to know.
        uint unknown = _takenBytes - _toldTakenBytes;
        if (_creditAsked || unknown >= RoomBytes / 2) return Write(buffer, VsockOperation.CreditUpdate);
        if (!MayReceive || GuestFreeBytes != 0 || _creditRequestTold) return 0;
        _creditRequestTold = true;
        return Write(buffer, VsockOperation.CreditRequest);
    }

    /// <summary>Adds what the connection waits for.</summary>
    /// <param name="polls">Where to.</param>
    /// <param name="hasBuffers">The guest has given buffers for packets.</param>
    internal void Await(PollSet polls, bool hasBuffers)
    {
        if (_gone) return;
        bool reads = MayReceive && hasBuffers && GuestFreeBytes != 0, writes = _heldCount != 0;
        // The end of a stream that has more to say, which the guest has no room for, would end each wait at once.
        if (reads || writes || _hostEnded) polls.Add(_stream.Descriptor, reads, writes);
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private bool TakeData(ReadOnlySpan<byte> data)
    {
        if (data.Length == 0) return true;
        if (_heldCount == 0 && !_gone)
        {
            int count = _stream.Send(data);
            if (count < 0) End();
            else
            {
                data = data[count..];
                _takenBytes += (uint)count;
            }
        }
        // Nobody is there for it any more; the guest is told soon.
        if (_gone) _takenBytes += (uint)data.Length;
        else Hold(data);
        return true;
    }

    private void Hold(ReadOnlySpan<byte> data)
    {
        if (data.Length == 0) return;
        if (_held.Length == 0) _held = new byte[RoomBytes];
        int end = (_heldFirst + _heldCount) % RoomBytes, before = Math.Min(data.Length, RoomBytes - end);
        data[..before].CopyTo(_held.AsSpan(end));
        data[before..].CopyTo(_held);
        _heldCount += data.Length;
    }

    // A stream that is new has room for a line.
    private bool Pass(ReadOnlySpan<byte> line) => _stream.Send(line) == line.Length;

    private int Receive(Span<byte> buffer)
    {
        if (!MayReceive) return 0;
        int room = (int)Math.Min(GuestFreeBytes, (uint)(buffer.Length - Bytes));
        if (room == 0) return 0;
        int count = _stream.Receive(buffer.Slice(Bytes, room));
        if (count > 0)
        {
            _sentBytes += (uint)count;
            _ = Write(buffer, VsockOperation.ReadWrite, 0, count);
            return Bytes + count;
        }
        if (count < 0) return 0;
        _hostEnded = true;
        _tell |= NoMoreSent;
        if (_stream.IsPeerGone) End();
        return 0;
    }

    private void End()
    {
        (_gone, _hostEnded, _heldCount, _tell) = (true, true, 0, NoMore);
        _stream.Dispose();
    }

    private int Write(Span<byte> buffer, VsockOperation operation, uint flags = 0, int length = 0)
    {
        (_toldTakenBytes, _creditAsked) = (_takenBytes, false);
        new VsockPacket
        {
            SourceCid = HostCid, TargetCid = _guestCid, SourcePort = HostPort, TargetPort = GuestPort, Length = (uint)length, Type = VsockPacket.Stream, Operation = operation, Flags = flags,
            RoomBytes = RoomBytes, TakenBytes = _takenBytes,
        }.Write(buffer);
        return Bytes;
    }
}
