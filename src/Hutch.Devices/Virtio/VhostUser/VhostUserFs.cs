using System;
using System.Buffers.Binary;
using System.Text;
using Hutch.Core.Memory;
using Hutch.Devices.Virtio.Queue;
using Hutch.Model.Machine;

namespace Hutch.Devices.Virtio.VhostUser;

/// <summary>The file system device (virtio 1.2 §5.11): its requests are those of FUSE, and virtiofsd carries them out.</summary>
internal sealed class VhostUserFs : VhostUserDevice
{
    /// <summary>Queues: one of high priority, and one for requests (§5.11.2).</summary>
    internal const int QueueCount = 2;

    /// <summary>Pages of the first queue, whose requests are short, and of the other: eight times the megabyte that a FUSE request moves at the most.</summary>
    internal const int PriorityPages = 64, RequestPages = 2048;

    private const ushort FileSystemType = 26;
    private const int TagBytes = VhostUserFsConfig.LongestTag, ConfigBytes = TagBytes + sizeof(uint);

    // struct fuse_in_header: length, operation, number… struct fuse_out_header: length, error, number (linux/fuse.h).
    private const int NumberOffset = 8, AnswerBytes = 16, IoError = 5;

    private readonly byte[] _config = new byte[ConfigBytes];

    /// <summary>Makes the device and owns <paramref name="backend"/>. The tag fits.</summary>
    internal VhostUserFs(VhostUserFsConfig config, GuestMemory memory, IPlatformEvents platform, VhostUserBackend backend)
        : base(config.Id, FileSystemType, memory, platform, backend, config.QueueSize, config.QueueSize)
    {
        _ = Encoding.UTF8.GetBytes(config.Tag, _config);
        BinaryPrimitives.WriteUInt32LittleEndian(_config.AsSpan(TagBytes), QueueCount - 1);
    }

    /// <inheritdoc/>
    internal override uint PciClass => 0x018000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => 0;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data) => CopyConfig(_config, offset, data);

    /// <inheritdoc/>
    internal override uint Refuse(DescriptorChain chain)
    {
        Span<byte> answer = stackalloc byte[AnswerBytes];
        BinaryPrimitives.WriteInt32LittleEndian(answer, AnswerBytes);
        BinaryPrimitives.WriteInt32LittleEndian(answer[sizeof(uint)..], -IoError);
        // Some requests have no answer.
        return chain.TryRead(NumberOffset, answer[NumberOffset..]) && chain.TryWrite(0, answer) ? (uint)AnswerBytes : 0;
    }
}
