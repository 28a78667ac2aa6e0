using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.IO;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Display;
using Hutch.Devices.Virtio.Queue;
using static Hutch.Devices.Virtio.Gpu.VirtioGpuRegisters;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>
/// The driver's resources by their numbers, and what they may take of the host: a number of them, and bytes of pixels and of lists of guest memory together. Every method answers with one of
/// the specification's codes. Used under the display's lock.
/// </summary>
internal sealed class GpuResources(GuestMemory memory)
{
    /// <summary>The most resources at a time.</summary>
    internal const int MostResources = 1024;

    /// <summary>The most bytes of the host's that they take together.</summary>
    internal const long MostBytes = 256 << 20;

    private const int RecordBytes = 5 * sizeof(uint);
    private const int MostRecordBytes = (MostResources * RecordBytes) + (int)(MostBytes / 32 * EntryBytes);

    private readonly Dictionary<uint, GpuResource> _all = [];
    private long _bytes;

    /// <summary>The resource of a number; null: there is none.</summary>
    internal GpuResource? Find(uint id) => _all.GetValueOrDefault(id);

    /// <summary>VIRTIO_GPU_CMD_RESOURCE_CREATE_2D.</summary>
    internal uint Create(uint id, uint format, uint width, uint height)
    {
        if (id == 0 || _all.ContainsKey(id)) return BadResource;
        if (!GpuFormat.IsKnown(format) || width is 0 or > GpuResource.MostSide || height is 0 or > GpuResource.MostSide) return BadParameter;
        long bytes = (long)width * height * GpuFormat.PixelBytes;
        if (_all.Count == MostResources || bytes > MostBytes - _bytes) return OutOfMemory;
        try
        {
            _all.Add(id, new GpuResource(id, format, (int)width, (int)height));
        }
        catch (OutOfMemoryException)
        {
            return OutOfMemory;
        }
        _bytes += bytes;
        return Completed;
    }

    /// <summary>VIRTIO_GPU_CMD_RESOURCE_UNREF of a resource that is shown nowhere.</summary>
    internal void Remove(GpuResource resource)
    {
        _all.Remove(resource.Id);
        Release(resource);
    }

    /// <summary>VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING: the list is in a request, behind its fixed part.</summary>
    internal uint Attach(GpuResource resource, uint count, DescriptorChain request)
    {
        if (!resource.Backing.IsEmpty) return Unspecified;
        if (count is 0 or > GpuResource.MostEntries || request.ReadableBytes < BackingEntries + ((long)count * EntryBytes)) return BadParameter;
        if (GpuResource.HostBytesOf((int)count) > MostBytes - _bytes) return OutOfMemory;
        GuestBuffer[] backing = new GuestBuffer[count];
        Span<byte> entry = stackalloc byte[EntryBytes];
        for (int i = 0; i < backing.Length; i++)
            if (!request.TryRead(BackingEntries + ((long)i * EntryBytes), entry) || !TryPin(entry, out backing[i])) return BadParameter;
        Attach(resource, backing);
        return Completed;
    }

    /// <summary>VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING.</summary>
    internal uint Detach(GpuResource resource)
    {
        if (resource.Backing.IsEmpty) return Unspecified;
        _bytes -= GpuResource.HostBytesOf(resource.Backing.Length);
        resource.Attach([]);
        return Completed;
    }

    /// <summary>Gives up all.</summary>
    internal void Clear()
    {
        foreach (GpuResource resource in _all.Values) Release(resource);
        _all.Clear();
    }

    /// <summary>Saves or restores all, in the order of their numbers: sizes and lists, and the pixels that are not zero.</summary>
    internal void Exchange(StateFields fields)
    {
        byte[] records = fields.Blob("resources", fields.IsRestoring ? [] : Save(), MostRecordBytes);
        if (fields.IsRestoring)
        {
            Clear();
            fields.Require(TryRestore(records), "resources");
        }
        GpuResource[] ordered = InOrder();
        int[] firstPages = new int[ordered.Length];
        int pages = 0;
        for (int i = 0; i < ordered.Length; i++)
        {
            firstPages[i] = pages;
            pages += (ordered[i].Pixels.Length + MemoryPages.PageBytes - 1) / MemoryPages.PageBytes;
        }
        MemoryPages.Exchange(fields, pages, (page, content) => content[PageOf(page).CopyOut(content)..].Clear(), (page, content) => PageOf(page).CopyIn(content));

        PixelPage PageOf(int page)
        {
            int index = Array.BinarySearch(firstPages, page);
            if (index < 0) index = ~index - 1;
            return new PixelPage(ordered[index], (page - firstPages[index]) * MemoryPages.PageBytes);
        }
    }

    private void Attach(GpuResource resource, GuestBuffer[] backing)
    {
        resource.Attach(backing);
        _bytes += GpuResource.HostBytesOf(backing.Length);
    }

    private void Release(GpuResource resource)
    {
        _bytes -= resource.Pixels.Length + GpuResource.HostBytesOf(resource.Backing.Length);
        resource.Dispose();
    }

    private bool TryPin(ReadOnlySpan<byte> entry, out GuestBuffer range) =>
        memory.TryPin(BinaryPrimitives.ReadUInt64LittleEndian(entry), BinaryPrimitives.ReadUInt32LittleEndian(entry[EntryLength..]), out range);

    private GpuResource[] InOrder()
    {
        GpuResource[] ordered = [.. _all.Values];
        Array.Sort(ordered, static (one, other) => one.Id.CompareTo(other.Id));
        return ordered;
    }

    // A record for each: number, format, width, height, ranges; then the ranges as the driver wrote them.
    private byte[] Save()
    {
        using MemoryStream saved = new();
        byte[] record = new byte[RecordBytes], entry = new byte[EntryBytes];
        foreach (GpuResource resource in InOrder())
        {
            ReadOnlySpan<uint> values = [resource.Id, resource.Format, (uint)resource.Width, (uint)resource.Height, (uint)resource.Backing.Length];
            for (int i = 0; i < values.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(i * sizeof(uint)), values[i]);
            saved.Write(record);
            foreach (GuestBuffer range in resource.Backing)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(entry, range.Address);
                BinaryPrimitives.WriteInt32LittleEndian(entry.AsSpan(EntryLength), range.Length);
                saved.Write(entry);
            }
        }
        return saved.ToArray();
    }

    private bool TryRestore(ReadOnlySpan<byte> records)
    {
        Span<uint> values = stackalloc uint[RecordBytes / sizeof(uint)];
        while (!records.IsEmpty)
        {
            if (records.Length < RecordBytes) return false;
            for (int i = 0; i < values.Length; i++) values[i] = BinaryPrimitives.ReadUInt32LittleEndian(records[(i * sizeof(uint))..]);
            records = records[RecordBytes..];
            uint count = values[4];
            if (count > GpuResource.MostEntries || records.Length < (int)count * EntryBytes || Create(values[0], values[1], values[2], values[3]) != Completed) return false;
            if (GpuResource.HostBytesOf((int)count) > MostBytes - _bytes) return false;
            GuestBuffer[] backing = new GuestBuffer[count];
            for (int i = 0; i < backing.Length; i++)
                if (!TryPin(records[(i * EntryBytes)..], out backing[i])) return false;
            Attach(_all[values[0]], backing);
            records = records[((int)count * EntryBytes)..];
        }
        return true;
    }

    // A part of a resource's pixels as long as a page, or what is left at its end.
    private readonly record struct PixelPage(GpuResource Resource, int Start)
    {
        internal int CopyOut(Span<byte> content)
        {
            Span<byte> pixels = Part(content.Length);
            pixels.CopyTo(content);
            return pixels.Length;
        }

        internal void CopyIn(ReadOnlySpan<byte> content)
        {
            Span<byte> pixels = Part(content.Length);
            content[..pixels.Length].CopyTo(pixels);
        }

        private Span<byte> Part(int most) => Resource.Pixels.Slice(Start, Math.Min(most, Resource.Pixels.Length - Start));
    }
}
