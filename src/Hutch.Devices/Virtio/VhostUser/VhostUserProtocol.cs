namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>Numbers of the protocol between a machine and the program that serves one of its devices (QEMU docs/interop/vhost-user).</summary>
internal static class VhostUserProtocol
{
    /// <summary>Bytes of a message's header: request, flags, length of the payload.</summary>
    internal const int HeaderBytes = 12;

    /// <summary>Flags of a message: the version, which is 1, that it is a reply, that one is wanted.</summary>
    internal const uint VersionOne = 1, VersionMask = 3, IsReply = 4, NeedReply = 8;

    /// <summary>VHOST_USER_F_PROTOCOL_FEATURES, among the features of the device: there are features of the protocol to agree on.</summary>
    internal const ulong ProtocolFeatures = 1UL << 30;

    /// <summary>Features of the protocol: the back end says how many queues it has; it says of each message whether it could be followed; it has the device's configuration space.</summary>
    internal const ulong MultipleQueues = 1UL << 0, ReplyAcknowledge = 1UL << 3, Configuration = 1UL << 9;

    /// <summary>What comes before the bytes of a configuration space: offset, length, flags.</summary>
    internal const int ConfigHeaderBytes = 12;
}

/// <summary>What a front end asks (QEMU docs/interop/vhost-user, "Front-end message types").</summary>
internal enum VhostUserRequest : uint
{
    /// <summary>What the device can do.</summary>
    GetFeatures = 1,

    /// <summary>What of it is used.</summary>
    SetFeatures = 2,

    /// <summary>A session begins.</summary>
    SetOwner = 3,

    /// <summary>The memory that rings and buffers are in.</summary>
    SetMemoryTable = 5,

    /// <summary>How many entries a ring has.</summary>
    SetRingSize = 8,

    /// <summary>Where a ring is.</summary>
    SetRingAddress = 9,

    /// <summary>Its first entry.</summary>
    SetRingBase = 10,

    /// <summary>How the back end is woken; from here on it may serve the ring.</summary>
    SetRingKick = 12,

    /// <summary>How the front end is woken.</summary>
    SetRingCall = 13,

    /// <summary>What the back end's protocol can do.</summary>
    GetProtocolFeatures = 15,

    /// <summary>What of it is used.</summary>
    SetProtocolFeatures = 16,

    /// <summary>How many queues there are.</summary>
    GetQueueCount = 17,

    /// <summary>A ring is to be served.</summary>
    SetRingEnable = 18,

    /// <summary>A part of the configuration space.</summary>
    GetConfig = 24,
}
