using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using Hutch.Host.Linux;

namespace Hutch.Host.Networks;

/// <summary>What a <see cref="SlirpStack"/> lends to the library: texts and structures outside the managed heap, freed together.</summary>
internal sealed unsafe class SlirpMemory : IDisposable
{
    private readonly List<nint> _blocks = [];

    /// <summary>Zeroed memory.</summary>
    internal void* Allocate(int lengthBytes)
    {
        // SAFETY: freed once, in Dispose.
        void* block = NativeMemory.AllocZeroed((nuint)lengthBytes);
        _blocks.Add((nint)block);
        return block;
    }

    /// <summary>The configuration, whose texts live in this memory.</summary>
    internal SlirpNative.Config Describe(SlirpOptions options) => new()
    {
        Version = SlirpNative.ConfigVersion,
        Restricted = options.IsRestricted ? 1 : 0,
        HasIPv4 = 1,
        Network = Number(options.Network),
        Netmask = Number(options.Netmask),
        Host = Number(options.Host),
        HasIPv6 = (byte)(options.HasIPv6 ? 1 : 0),
        Prefix6 = Number6("fec0::"),
        Prefix6Length = 64,
        Host6 = Number6("fec0::2"),
        NameServer6 = Number6("fec0::3"),
        HostName = Text(options.ClientName),
        TftpPath = Text(options.TftpFolder),
        BootFile = Text(options.BootFile),
        DhcpStart = Number(options.FirstLease),
        NameServer = Number(options.NameServer),
        Mtu = (nuint)options.MtuBytes,
        Mru = (nuint)options.MtuBytes,
    };

    /// <summary>An IPv4 address as struct in_addr holds it.</summary>
    internal static uint Number(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        return address.TryWriteBytes(bytes, out int length) && length == 4 ? BinaryPrimitives.ReadUInt32LittleEndian(bytes)
            : throw new ArgumentException($"{address} is no IPv4 address.", nameof(address));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // SAFETY: each was allocated here, and the library that used them is gone.
        foreach (nint block in _blocks) NativeMemory.Free((void*)block);
        _blocks.Clear();
    }

    private static SlirpNative.Address6 Number6(string address) => MemoryMarshal.Read<SlirpNative.Address6>(IPAddress.Parse(address).GetAddressBytes());

    private byte* Text(string? text)
    {
        if (text is null) return null;
        int length = Encoding.UTF8.GetByteCount(text);
        byte* copy = (byte*)Allocate(length + 1);
        // SAFETY: the block has room for the text and its zero.
        _ = Encoding.UTF8.GetBytes(text, new Span<byte>(copy, length));
        return copy;
    }
}
