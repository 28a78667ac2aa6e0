using System;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Block.Graph;
using Hutch.Host.Files;

namespace Hutch.Block.Formats.Vmdk;

/// <summary>An image's descriptor as it lies in its file.</summary>
internal sealed class VmdkDescriptorText
{
    private readonly byte[] _bytes;
    private readonly long _offset;
    private readonly long _roomBytes;

    /// <summary>Takes the text that was read at <paramref name="offset"/>, where there is room for <paramref name="roomBytes"/>. Throws <see cref="ImageException"/>.</summary>
    internal VmdkDescriptorText(byte[] bytes, long offset, long roomBytes)
    {
        _bytes = bytes;
        _offset = offset;
        _roomBytes = roomBytes;
        Descriptor = VmdkDescriptor.Parse(bytes);
    }

    /// <summary>What it says.</summary>
    internal VmdkDescriptor Descriptor { get; private set; }

    /// <summary>A sparse file without a descriptor: an image of one extent that nobody describes.</summary>
    internal static VmdkDescriptorText None { get; } = new([], 0, 0);

    /// <summary>Gives the disk another id, durably.</summary>
    internal async ValueTask ChangeCidAsync(BlockNode file, CancellationToken cancellation)
    {
        if (_bytes.Length == 0) return;
        uint cid = NewCid();
        (byte[] text, int digits) = VmdkDescriptor.WithCid(_bytes, cid);
        if (text.Length > _roomBytes) return;
        // Eight digits over eight digits, or the whole text where it becomes longer.
        if (digits >= 0) await file.WriteBytesAsync(_offset + digits, text.AsMemory(digits, 8), WriteFlags.None, cancellation).ConfigureAwait(false);
        else await file.WriteBytesAsync(_offset, text, WriteFlags.None, cancellation).ConfigureAwait(false);
        await file.FlushAsync(cancellation).ConfigureAwait(false);
        Descriptor = Descriptor with { Cid = cid };
    }

    /// <summary>A random id that means something.</summary>
    internal static uint NewCid()
    {
        Span<byte> bytes = stackalloc byte[4];
        uint cid;
        do
        {
            HostRandom.Fill(bytes);
            cid = BitConverter.ToUInt32(bytes);
        }
        while (cid >= VmdkDescriptor.NoParent - 1);
        return cid;
    }
}
