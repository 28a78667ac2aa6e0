using System.Runtime.InteropServices;

namespace Hutch.Devices.Virtio.Queue;

/// <summary>struct virtq_desc (virtio 1.2 §2.7.5), as copied out of guest memory.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct Descriptor
{
    internal const int Bytes = 16;
    internal const ushort FlagNext = 1, FlagWrite = 2, FlagIndirect = 4;

    internal readonly ulong Address;
    internal readonly uint Length;
    internal readonly ushort Flags;
    internal readonly ushort Next;

    internal Descriptor(ulong address, uint length, ushort flags, ushort next)
    {
        Address = address;
        Length = length;
        Flags = flags;
        Next = next;
    }
}
