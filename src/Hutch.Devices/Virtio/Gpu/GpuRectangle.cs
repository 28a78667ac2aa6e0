using System;
using System.Buffers.Binary;

namespace Hutch.Devices.Virtio.Gpu;

/// <summary>A part of a picture in pixels, as the driver says it: nothing of it has been checked.</summary>
internal readonly record struct GpuRectangle(uint X, uint Y, uint Width, uint Height)
{
    /// <summary>It has no pixel.</summary>
    internal bool IsEmpty => Width == 0 || Height == 0;

    /// <summary>Reads struct virtio_gpu_rect.</summary>
    internal static GpuRectangle Read(ReadOnlySpan<byte> bytes) => new(Field(bytes, 0), Field(bytes, 1), Field(bytes, 2), Field(bytes, 3));

    /// <summary>All of it is within a picture of this size. No sum can wrap.</summary>
    internal bool IsWithin(uint width, uint height) => X <= width && Width <= width - X && Y <= height && Height <= height - Y;

    private static uint Field(ReadOnlySpan<byte> bytes, int index) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[(index * sizeof(uint))..]);
}
