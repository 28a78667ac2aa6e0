using System;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Hutch.Host.Sockets;
using static Hutch.Devices.Virtio.VhostUser.VhostUserProtocol;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>
/// The front end's side of a vhost-user connection: messages go one at a time, and each answer is checked before it is used. Owns the stream. Every method throws
/// <see cref="VhostUserException"/> where the back end does not keep the rules, or says no. One thread.
/// </summary>
internal sealed class VhostUserConnection(ILocalStream stream) : IDisposable
{
    // A back end that has just started may be slow to say its first word.
    private const int PatienceMs = 10_000;
    private const int LargestPayload = 96;

    private bool _acknowledges, _hasConfig;

    /// <summary>For <see cref="Hutch.Host.Events.PollSet"/>.</summary>
    internal int Descriptor => stream.Descriptor;

    /// <summary>The back end has closed the connection, or says something that nobody asked for. Never waits.</summary>
    internal bool IsLost
    {
        get
        {
            Span<byte> word = stackalloc byte[1];
            return stream.Receive(word) >= 0;
        }
    }

    /// <summary>Agrees on what both sides know, and begins the session.</summary>
    /// <param name="wanted">Features of the device to use, if the back end has them; version 1 is always among them.</param>
    /// <param name="queues">Queues that the device needs.</param>
    /// <returns>What is used.</returns>
    internal ulong Negotiate(ulong wanted, int queues)
    {
        ulong offered = Get(VhostUserRequest.GetFeatures), protocol = 0;
        if ((offered & VirtioFeatures.Version1) == 0) throw new VhostUserException("knows no virtio 1");
        if ((offered & ProtocolFeatures) != 0)
        {
            protocol = Get(VhostUserRequest.GetProtocolFeatures) & (MultipleQueues | ReplyAcknowledge | Configuration);
            Set(VhostUserRequest.SetProtocolFeatures, protocol);
            if ((protocol & MultipleQueues) != 0 && Get(VhostUserRequest.GetQueueCount) is ulong count && count < (ulong)queues)
                throw new VhostUserException($"has {count} queues where {queues} are needed");
        }
        Send(VhostUserRequest.SetOwner, [], []);
        ulong used = offered & (wanted | VirtioFeatures.Version1 | ProtocolFeatures);
        Set(VhostUserRequest.SetFeatures, used);
        // Older back ends say whether they could follow only when the features are set.
        _acknowledges = (protocol & ReplyAcknowledge) != 0;
        _hasConfig = (protocol & Configuration) != 0;
        return used;
    }

    /// <summary>Reads the device's configuration space from its beginning; at most 84 bytes.</summary>
    internal void ReadConfig(Span<byte> config)
    {
        if (!_hasConfig) throw new VhostUserException("does not tell the configuration of its device");
        Span<byte> payload = stackalloc byte[ConfigHeaderBytes + config.Length];
        payload.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(payload[4..], config.Length);
        Write(VhostUserRequest.GetConfig, 0, payload, []);
        Answer(VhostUserRequest.GetConfig, payload);
        payload[ConfigHeaderBytes..].CopyTo(config);
    }

    /// <summary>Says what of the agreed features the guest's driver uses. Never waits: a back end that does not take it will be found gone.</summary>
    internal void TellFeatures(ulong features)
    {
        Span<byte> message = stackalloc byte[HeaderBytes + sizeof(ulong)];
        WriteHeader(message, VhostUserRequest.SetFeatures, 0);
        BinaryPrimitives.WriteUInt64LittleEndian(message[HeaderBytes..], features);
        _ = stream.Send(message);
    }

    /// <summary>Shows the back end memory, at the same address for itself and for what rings hold.</summary>
    internal void ShareMemory(int descriptor, ulong address, int lengthBytes)
    {
        Span<byte> payload = stackalloc byte[40];
        payload.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(payload, 1);
        BinaryPrimitives.WriteUInt64LittleEndian(payload[8..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(payload[16..], (ulong)lengthBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(payload[24..], address);
        Send(VhostUserRequest.SetMemoryTable, payload, [descriptor]);
    }

    /// <summary>Sets a ring up, whose memory is shown already and zero, and has the back end serve it.</summary>
    internal void StartRing(int index, BackendRing ring, int kick, int call, bool mustEnable)
    {
        SetState(VhostUserRequest.SetRingSize, index, ring.Size);
        SetState(VhostUserRequest.SetRingBase, index, 0);
        Span<byte> payload = stackalloc byte[40];
        payload.Clear();
        BinaryPrimitives.WriteInt32LittleEndian(payload, index);
        BinaryPrimitives.WriteUInt64LittleEndian(payload[8..], ring.DescriptorTable);
        BinaryPrimitives.WriteUInt64LittleEndian(payload[16..], ring.UsedRing);
        BinaryPrimitives.WriteUInt64LittleEndian(payload[24..], ring.AvailableRing);
        Send(VhostUserRequest.SetRingAddress, payload, []);
        Set(VhostUserRequest.SetRingCall, (ulong)index, call);
        Set(VhostUserRequest.SetRingKick, (ulong)index, kick);
        if (mustEnable) SetState(VhostUserRequest.SetRingEnable, index, 1);
    }

    /// <inheritdoc/>
    public void Dispose() => stream.Dispose();

    private ulong Get(VhostUserRequest request)
    {
        Write(request, 0, [], []);
        return Answer(request);
    }

    private void Set(VhostUserRequest request, ulong value, params ReadOnlySpan<int> descriptors) =>
        Send(request, MemoryMarshal.AsBytes(new ReadOnlySpan<ulong>(in value)), descriptors);

    private void SetState(VhostUserRequest request, int index, int number) => Send(request, MemoryMarshal.AsBytes<int>([index, number]), []);

    private void Send(VhostUserRequest request, ReadOnlySpan<byte> payload, ReadOnlySpan<int> descriptors)
    {
        Write(request, _acknowledges ? NeedReply : 0, payload, descriptors);
        if (_acknowledges && Answer(request) != 0) throw new VhostUserException($"refuses {request}");
    }

    // Messages are short, and the connection has room for all of them.
    private void Write(VhostUserRequest request, uint flags, ReadOnlySpan<byte> payload, ReadOnlySpan<int> descriptors)
    {
        Span<byte> message = (stackalloc byte[HeaderBytes + LargestPayload])[..(HeaderBytes + payload.Length)];
        WriteHeader(message, request, flags);
        payload.CopyTo(message[HeaderBytes..]);
        if (stream.Send(message, descriptors) != message.Length) throw new VhostUserException($"does not take {request}");
    }

    private static void WriteHeader(Span<byte> message, VhostUserRequest request, uint flags)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(message, (uint)request);
        BinaryPrimitives.WriteUInt32LittleEndian(message[4..], VersionOne | flags);
        BinaryPrimitives.WriteInt32LittleEndian(message[8..], message.Length - HeaderBytes);
    }

    private ulong Answer(VhostUserRequest request)
    {
        Span<byte> value = stackalloc byte[sizeof(ulong)];
        Answer(request, value);
        return BinaryPrimitives.ReadUInt64LittleEndian(value);
    }

    private void Answer(VhostUserRequest request, Span<byte> payload)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        Receive(request, header);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != (uint)request || BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) != (uint)payload.Length
            || (BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) & (VersionMask | IsReply)) != (VersionOne | IsReply)) throw new VhostUserException($"answers {request} with something else");
        Receive(request, payload);
    }

    private void Receive(VhostUserRequest request, Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = stream.Receive(bytes);
            if (count == 0) throw new VhostUserException($"closes the connection at {request}");
            if (count > 0) bytes = bytes[count..];
            else if (!stream.WaitToReceive(PatienceMs)) throw new VhostUserException($"does not answer {request} within {PatienceMs / 1000} seconds");
        }
    }
}
