using System;

namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>A packet of a peer.</summary>
/// <param name="Header">Its header.</param>
/// <param name="Payload">What follows it.</param>
internal readonly record struct Packet(PacketHeader Header, ReadOnlyMemory<byte> Payload);
