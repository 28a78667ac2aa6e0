using System;
using System.Buffers.Binary;
using Hutch.Core.State;

namespace Hutch.Devices.Usb;

/// <summary>
/// A device as a host sees it that sends every packet by itself, as UHCI and EHCI do: its address, and the stages of a control transfer (USB 2.0 §8.5.3, §9.4.6). No packet is lost on this
/// bus, so that nobody looks at the data toggles. Under the controller's lock.
/// </summary>
internal sealed class UsbPacketDevice(UsbDevice device)
{
    private const int SetupBytes = 8, MostPacketBytes = 64;

    // No device here has more to say or to be told at once.
    private const int MostBytes = 512;
    private const int SetAddress = 0x0005, AddressBits = 0x7f;

    private readonly byte[] _data = new byte[MostBytes];
    private ControlStage _stage;
    private ulong _setup;
    private int _length, _moved;
    private byte _address;

    /// <summary>The device.</summary>
    internal UsbDevice Device { get; } = device;

    /// <summary>The address that it answers to; 0 until it is given one.</summary>
    internal byte Address => _address;

    /// <summary>A bus reset (USB 2.0 §7.1.7.5).</summary>
    internal void Reset()
    {
        Device.Reset();
        (_stage, _setup, _length, _moved, _address) = (ControlStage.Idle, 0, 0, 0, 0);
    }

    /// <summary>A SETUP packet begins a control transfer, whatever was before. Returns its bytes, or <see cref="UsbDevice.Stall"/>.</summary>
    internal int Setup(int endpoint, ReadOnlySpan<byte> packet)
    {
        if (endpoint != 0 || packet.Length != SetupBytes) return UsbDevice.Stall;
        _setup = BinaryPrimitives.ReadUInt64LittleEndian(packet);
        UsbSetup setup = UsbSetup.From(_setup);
        (_stage, _length, _moved) = (ControlStage.FromHost, 0, 0);
        if (!setup.IsIn || setup.Length == 0) return SetupBytes;
        Span<byte> room = _data.AsSpan(0, Math.Min((int)setup.Length, MostBytes));
        room.Clear();
        int answer = Device.Control(setup, room);
        (_stage, _length) = answer < 0 ? (ControlStage.Stalled, 0) : (ControlStage.ToHost, answer);
        return SetupBytes;
    }

    /// <summary>A packet to the device. Returns its bytes, <see cref="UsbDevice.NotReady"/> or <see cref="UsbDevice.Stall"/>.</summary>
    internal int Out(int endpoint, ReadOnlySpan<byte> packet)
    {
        if (endpoint != 0) return UsbDevice.Stall;
        switch (_stage)
        {
            case ControlStage.ToHost:
                // The status stage, perhaps before the host took everything.
                _stage = ControlStage.Idle;
                return packet.Length;
            case ControlStage.FromHost when _length + packet.Length <= Math.Min((int)UsbSetup.From(_setup).Length, MostBytes):
                packet.CopyTo(_data.AsSpan(_length));
                _length += packet.Length;
                return packet.Length;
            default:
                _stage = ControlStage.Stalled;
                return UsbDevice.Stall;
        }
    }

    /// <summary>Asks for a packet. Returns the bytes that were put into <paramref name="packet"/>, <see cref="UsbDevice.NotReady"/> or <see cref="UsbDevice.Stall"/>.</summary>
    internal int In(int endpoint, Span<byte> packet)
    {
        if (endpoint != 0) return Device.In(endpoint, packet);
        switch (_stage)
        {
            case ControlStage.ToHost:
                int part = Math.Min(Math.Min(packet.Length, MostPacketBytes), _length - _moved);
                _data.AsSpan(_moved, part).CopyTo(packet);
                _moved += part;
                return part;
            case ControlStage.FromHost:
                bool isDone = CarryOut(UsbSetup.From(_setup));
                _stage = isDone ? ControlStage.Idle : ControlStage.Stalled;
                return isDone ? 0 : UsbDevice.Stall;
            default: return UsbDevice.Stall;
        }
    }

    /// <summary>Saves or restores it, with the device.</summary>
    internal void Exchange(StateFields fields)
    {
        int stage = (int)_stage;
        fields.Value("stage", ref stage, 0, (int)ControlStage.Stalled);
        fields.Value("setup", ref _setup);
        fields.Value("length", ref _length, 0, MostBytes);
        fields.Value("moved", ref _moved, 0, _length);
        fields.Bytes("data", _data);
        fields.Value("address", ref _address);
        fields.Require(_address <= AddressBits, "address");
        _stage = (ControlStage)stage;
        Device.Exchange(fields);
    }

    // The status stage of a request without data, or with data to the device: only now it takes effect (USB 2.0 §9.4.6).
    private bool CarryOut(UsbSetup setup)
    {
        if (!setup.IsIn && _length != setup.Length) return false;
        if (setup.Code != SetAddress) return Device.Control(setup, _data.AsSpan(0, _length)) >= 0;
        _address = (byte)(setup.Value & AddressBits);
        return true;
    }

    private enum ControlStage
    {
        Idle, ToHost, FromHost, Stalled,
    }
}
