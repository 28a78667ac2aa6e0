using System;
using System.Buffers.Binary;
using System.Threading;
using Hutch.Devices;
using Hutch.Model.Machine;
using Hutch.Tests.Devices.Virtio;

namespace Hutch.Tests.Devices.Ethernet;

/// <summary>A driver of a card in slot 1, as a guest has one: eight descriptors each way, receive buffers of 2 KiB.</summary>
internal sealed class E1000Driver : IDisposable
{
    internal const ulong Sent = 0x10_0000, Received = 0x11_0000, Buffers = 0x20_0000, Data = 0x40_0000;
    internal const int RingSize = 8;
    private uint _tail;

    internal E1000Driver(TestMachine machine, FakeNetwork network, bool linkDown = false)
    {
        Machine = machine;
        Network = network;
        machine.Network = network;
        Device = DeviceFactories.Create(new E1000Config("nic0", "52:54:00:01:02:03", new NetBackendConfig(NetBackendKind.None)) { LinkDown = linkDown }, machine.Services);
        machine.Pci.AssignResources(0, 0);
        Base = machine.ReadConfig(1, 0x10) & ~0xfu;
        Io = (ushort)(machine.ReadConfig(1, 0x14) & ~3u);
        Device.Start();
    }

    internal TestMachine Machine { get; }

    internal FakeNetwork Network { get; }

    internal IDevice Device { get; }

    internal ulong Base { get; }

    internal ushort Io { get; }

    internal uint this[int register]
    {
        get => (uint)Machine.Load(Base + (ulong)register, 4);
        set => Machine.Store(Base + (ulong)register, value, 4);
    }

    /// <summary>Both rings, all interrupts, own address and broadcasts.</summary>
    internal void Bring(uint receiveControl = 0x8002)
    {
        this[0xd0] = 0x1ffff;
        this[0x3800] = (uint)Sent;
        this[0x3808] = RingSize * 16;
        (this[0x3810], this[0x3818]) = (0, 0);
        this[0x400] = 2;
        _tail = 0;
        for (ulong i = 0; i < RingSize; i++)
        {
            Machine.Memory.TryWrite(Received + (i * 16), Buffers + (i * 0x800));
            Machine.Memory.TryWrite(Received + (i * 16) + 8, 0UL);
        }
        this[0x2800] = (uint)Received;
        this[0x2808] = RingSize * 16;
        (this[0x2810], this[0x2818]) = (0, RingSize - 1);
        this[0x100] = receiveControl;
    }

    /// <summary>Writes the next descriptor to send; the card sees it when <see cref="Go"/> is called.</summary>
    internal void Put(ulong address, ulong rest)
    {
        Machine.Memory.TryWrite(Sent + (_tail * 16), address);
        Machine.Memory.TryWrite(Sent + (_tail * 16) + 8, rest);
        _tail = (_tail + 1) % RingSize;
    }

    /// <summary>Tells the card, and waits until it has done all.</summary>
    internal void Go()
    {
        this[0x3818] = _tail;
        Wait(() => this[0x3810] == _tail);
    }

    /// <summary>Tells the card.</summary>
    internal void Tell() => this[0x3818] = _tail;

    /// <summary>A legacy descriptor (Intel 8254x SDM §3.3.3) of data at <see cref="Data"/>.</summary>
    internal void PutLegacy(int length, byte command = 0x09, byte sumAt = 0, byte sumStart = 0, ushort tag = 0, ulong address = Data) =>
        Put(address, (uint)length | (ulong)sumAt << 16 | (ulong)command << 24 | (ulong)sumStart << 40 | (ulong)tag << 48);

    /// <summary>A context of a frame without a tag and without IP options (§3.3.6).</summary>
    internal void PutContext(byte command, int payload, int header, int segment, bool isIPv6 = false, int sumAt = 16)
    {
        int transport = isIPv6 ? 54 : 34;
        Put(14 | 24UL << 8 | (isIPv6 ? 0UL : 33UL << 16) | (ulong)transport << 32 | (ulong)(transport + sumAt) << 40,
            (uint)payload | (ulong)(uint)(command | 0x20) << 24 | (ulong)(uint)header << 40 | (ulong)(uint)segment << 48);
    }

    /// <summary>A data descriptor (§3.3.7).</summary>
    internal void PutData(ulong address, int length, byte command, byte options = 0, ushort tag = 0) =>
        Put(address, (uint)length | 1UL << 20 | (ulong)(uint)(command | 0x20) << 24 | (ulong)options << 40 | (ulong)tag << 48);

    /// <summary>Status, errors, length and tag of a receive descriptor, when the card has given it back.</summary>
    internal (byte Status, byte Errors, int Length, ushort Tag) WaitReceived(int index)
    {
        ulong rest = 0;
        Wait(() => Machine.Memory.TryRead(Received + ((ulong)index * 16) + 8, out rest) && (rest >> 32 & 1) != 0);
        return ((byte)(rest >> 32), (byte)(rest >> 40), (int)(rest & 0xffff), (ushort)(rest >> 48));
    }

    internal byte[] Got(int index, int length)
    {
        byte[] bytes = new byte[length];
        Machine.Memory.TryCopyOut(Buffers + ((ulong)index * 0x800), bytes);
        return bytes;
    }

    internal bool Interrupts
    {
        get
        {
            bool any = false;
            for (int i = 16; i < 24; i++) any |= Machine.Gsi[i];
            return any;
        }
    }

    internal static void Wait(Func<bool> done)
    {
        if (!SpinWait.SpinUntil(done, TimeSpan.FromSeconds(20))) throw new TimeoutException("The card did not answer.");
    }

    internal static byte[] Frame(int length, byte[]? target = null)
    {
        byte[] frame = new byte[length];
        for (int i = 0; i < length; i++) frame[i] = (byte)(i * 7);
        (target ?? [0x52, 0x54, 0, 1, 2, 3]).CopyTo(frame, 0);
        (frame[12], frame[13]) = (0x88, 0xb5);
        return frame;
    }

    /// <summary>A TCP segment over IPv4 or IPv6 as a driver hands it over to be cut: no lengths, no checksums but the pseudo header's sum without its length.</summary>
    internal static byte[] Segment(int payload, bool isIPv6 = false)
    {
        int transport = isIPv6 ? 54 : 34;
        byte[] frame = new byte[transport + 20 + payload];
        (frame[12], frame[13]) = isIPv6 ? ((byte)0x86, (byte)0xdd) : ((byte)8, (byte)0);
        if (isIPv6) (frame[14], frame[20], frame[21]) = (0x60, 6, 64);
        else (frame[14], frame[18], frame[19], frame[22], frame[23]) = (0x45, 0xff, 0xff, 64, 6);
        for (int i = isIPv6 ? 22 : 26; i < transport; i++) frame[i] = (byte)(i * 5);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(transport + 4), 0xffff_fff0);
        (frame[transport + 12], frame[transport + 13]) = (0x50, 0x19);
        for (int i = transport + 20; i < frame.Length; i++) frame[i] = (byte)(i * 3);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(transport + 16), Folded(Sum(frame.AsSpan(isIPv6 ? 22 : 26, isIPv6 ? 32 : 8)) + 6));
        return frame;
    }

    /// <summary>Whether the checksums of an IPv4 header and of TCP or UDP in a frame are right, computed the slow way.</summary>
    internal static bool IsRight(byte[] frame, byte protocol = 6)
    {
        bool isIPv6 = frame[12] == 0x86;
        int transport = isIPv6 ? 54 : 34;
        if (!isIPv6 && Folded(Sum(frame.AsSpan(14, 20))) != 0xffff) return false;
        uint pseudo = Sum(frame.AsSpan(isIPv6 ? 22 : 26, isIPv6 ? 32 : 8)) + protocol + (uint)(frame.Length - transport);
        return Folded(pseudo + Sum(frame.AsSpan(transport))) == 0xffff;
    }

    public void Dispose() => Device.Dispose();

    private static uint Sum(ReadOnlySpan<byte> data)
    {
        uint sum = 0;
        for (int i = 0; i < data.Length; i++) sum += (uint)data[i] << (8 * (~i & 1));
        return sum;
    }

    private static ushort Folded(uint sum)
    {
        while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)sum;
    }
}
