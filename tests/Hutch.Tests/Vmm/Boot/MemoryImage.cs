using System;
using Hutch.Core.Memory;
using Hutch.Vmm.Boot;

namespace Hutch.Tests.Vmm.Boot;

/// <summary>An image file in memory.</summary>
internal sealed class MemoryImage(byte[] bytes, string name = "/images/kernel") : ImageSource(name)
{
    internal override long LengthBytes => bytes.Length;

    internal override bool TryRead(ulong offset, Span<byte> destination)
    {
        if (!IsInside(offset, (ulong)destination.Length)) return false;
        bytes.AsSpan((int)offset, destination.Length).CopyTo(destination);
        return true;
    }

    protected override bool TryFill(ulong offset, GuestBuffer buffer)
    {
        if (!IsInside(offset, (ulong)buffer.Length)) return false;
        buffer.CopyFrom(0, bytes.AsSpan((int)offset, buffer.Length));
        return true;
    }

    public override void Dispose() { }
}
