using System;
using System.Buffers.Binary;
using Hutch.Core.Memory;
using Hutch.Core.State;
using Hutch.Devices.Virtio.Queue;
using Hutch.Host.Events;
using static Hutch.Devices.Virtio.Serial.VirtioSerialRegisters;

namespace Hutch.Devices.Virtio.Serial;

/// <summary>
/// The console device with several ports (virtio 1.2 §5.3 with VIRTIO_CONSOLE_F_MULTIPORT), each on a socket of the host. One worker serves all and sleeps until a queue or a socket has work.
/// <code>
///   driver: DEVICE_READY  ->  DEVICE_ADD for each port  ->  PORT_READY  ->  CONSOLE_PORT, PORT_NAME, PORT_OPEN as they apply
///   driver: PORT_OPEN     ->  bytes of the client come; PORT_OPEN of ours says that a client is there, or has gone
/// </code>
/// A driver without the feature has port 0 alone, as a console.
/// </summary>
internal sealed class VirtioSerial : VirtioDevice
{
    private const int QueueEntries = 64;

    private readonly SerialPort[] _ports;
    private readonly SerialPortWork _work;
    private readonly byte[] _message;
    private readonly PollSet _polls = new();

    /// <summary>Makes the device and owns its ports, whose places are their numbers.</summary>
    internal VirtioSerial(string name, GuestMemory memory, SerialPort[] ports)
        : base(name, VirtioSerialRegisters.DeviceType, memory, workers: 1, waitsItself: true, Entries(ports.Length))
    {
        _ports = ports;
        _work = new SerialPortWork(TryPop, Chain, () => ShouldYield);
        int longest = 0;
        foreach (SerialPort port in ports) longest = Math.Max(longest, port.LongestMessage);
        _message = new byte[longest];
    }

    /// <inheritdoc/>
    internal override uint PciClass => 0x078000;

    /// <inheritdoc/>
    internal override ulong DeviceFeatures => FeatureMultiport;

    private bool IsMultiport => (Features & FeatureMultiport) != 0;

    /// <inheritdoc/>
    internal override void ReadConfig(ulong offset, Span<byte> data)
    {
        Span<byte> config = stackalloc byte[ConfigBytes];
        config.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(config[ConfigMostPorts..], (uint)_ports.Length);
        CopyConfig(config, offset, data);
    }

    /// <inheritdoc/>
    private protected override void WaitForWork(int worker)
    {
        if (IsDriverOk) _polls.Wait(WorkerOf(0).Doorbell);
        else base.WaitForWork(worker);
    }

    /// <inheritdoc/>
    private protected override void ServeQueues(int worker)
    {
        bool isDone = true, tells = IsMultiport;
        if (tells) isDone = HearDriver();
        _polls.Clear();
        for (int number = 0; number < (tells ? _ports.Length : 1); number++)
        {
            SerialPort port = _ports[number];
            int queue = QueueOf(number);
            _ = port.LookAtClients(tells);
            isDone &= port.Transmit(Queues[queue + 1], _work);
            InterruptIfWanted(queue + 1);
            isDone &= port.Receive(Queues[queue], _work, tells);
            InterruptIfWanted(queue);
        }
        if (tells) TellDriver();
        for (int number = 0; number < (tells ? _ports.Length : 1); number++)
        {
            // A client whose leaving was told now makes room for the next.
            isDone &= !_ports[number].LookAtClients(tells);
            _ports[number].Await(_polls, tells);
        }
        if (!isDone) Kick(0);
    }

    /// <inheritdoc/>
    private protected override void OnReset(bool machineReset)
    {
        foreach (SerialPort port in _ports) port.Forget();
    }

    /// <inheritdoc/>
    private protected override void ExchangeOwn(StateFields fields)
    {
        for (int number = 0; number < _ports.Length; number++) fields.Group($"port{number}", _ports[number].Exchange);
    }

    /// <inheritdoc/>
    private protected override void DisposeBackend()
    {
        foreach (SerialPort port in _ports) port.Dispose();
    }

    private static int[] Entries(int ports)
    {
        int[] entries = new int[FirstOtherPort + (2 * (ports - 1))];
        Array.Fill(entries, QueueEntries);
        return entries;
    }

    // False when there is more to hear.
    private bool HearDriver()
    {
        VirtQueue queue = Queues[ControlFromDriver];
        Span<byte> message = stackalloc byte[ControlBytes];
        int heard = 0;
        do
        {
            queue.DisableNotifications();
            while (!ShouldYield && heard++ < QueueEntries && TryPop(queue))
            {
                if (Chain.TryRead(0, message)) Obey(message);
                queue.PushUsed(Chain.Head, 0);
            }
            InterruptIfWanted(ControlFromDriver);
        }
        while (!ShouldYield && heard <= QueueEntries && queue.EnableNotifications());
        return heard <= QueueEntries;
    }

    private void Obey(ReadOnlySpan<byte> message)
    {
        uint number = BinaryPrimitives.ReadUInt32LittleEndian(message);
        ushort what = BinaryPrimitives.ReadUInt16LittleEndian(message[4..]), value = BinaryPrimitives.ReadUInt16LittleEndian(message[6..]);
        if (what == DeviceReady)
        {
            if (value != 1) return;
            foreach (SerialPort port in _ports) port.Announce();
        }
        else if (number < (uint)_ports.Length) _ports[number].Obey(what, value);
    }

    // Buffers of the driver's are taken before a message is, which would be lost otherwise.
    private void TellDriver()
    {
        VirtQueue queue = Queues[ControlToDriver];
        bool hasBuffer = false;
        foreach (SerialPort port in _ports)
        {
            while (!ShouldYield)
            {
                if (!hasBuffer && !(hasBuffer = TakeBuffer(queue))) return;
                int length = port.NextMessage(_message);
                if (length == 0) break;
                queue.PushUsed(Chain.Head, Chain.TryWrite(0, _message.AsSpan(0, length)) ? (uint)length : 0);
                hasBuffer = false;
                InterruptIfWanted(ControlToDriver);
            }
        }
        if (hasBuffer) queue.UndoPop();
    }

    private bool TakeBuffer(VirtQueue queue)
    {
        while (!TryPop(queue))
            if (!queue.EnableNotifications()) return false;
        queue.DisableNotifications();
        return true;
    }
}
