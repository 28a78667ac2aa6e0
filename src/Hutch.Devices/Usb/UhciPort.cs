using Hutch.Core.State;
using static Hutch.Devices.Usb.UhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>A port of the root hub (UHCI 1.1 §2.1.7). Under the controller's lock.</summary>
/// <param name="device">What is plugged in.</param>
internal sealed class UhciPort(UsbPacketDevice? device)
{
    private ushort _status;
    private bool _isConnected;

    /// <summary>What is plugged in, whoever has it.</summary>
    internal UsbPacketDevice? Device { get; } = device;

    /// <summary>Packets reach the device.</summary>
    internal bool IsActive => _isConnected && (_status & (PortEnabled | PortReset | Suspended)) == PortEnabled;

    /// <summary>What is plugged in is here, with a host to wake.</summary>
    internal void Connect(IUsbHost host)
    {
        if (Device is null) return;
        (Device.Device.Host, Device.Device.Speed) = (host, UsbSpeed.Full);
        _isConnected = true;
        _status |= ConnectChange;
    }

    /// <summary>What is plugged in is another controller's now.</summary>
    internal void Disconnect()
    {
        if (!_isConnected) return;
        _isConnected = false;
        _status = (ushort)((_status & PortChanges) | ConnectChange | ((_status & PortEnabled) != 0 ? EnableChange : 0));
    }

    /// <summary>Reads PORTSC.</summary>
    internal ushort Read() => (ushort)(_status | AlwaysOne | (_isConnected ? Connected | ((_status & PortReset) == 0 ? IdleLine : 0) : 0));

    /// <summary>Writes it.</summary>
    internal void Write(ushort value)
    {
        bool isReset = (value & PortReset) != 0;
        if (isReset && (_status & PortReset) == 0 && _isConnected) Device!.Reset();
        _status = (ushort)((_status & PortChanges & ~value) | (value & PortWritable));
        // A port that is empty or being reset cannot be enabled.
        if (isReset || !_isConnected) _status &= unchecked((ushort)~PortEnabled);
    }

    /// <summary>The device wants to be heard: a port that sleeps tells so.</summary>
    internal void Wake()
    {
        if ((_status & Suspended) != 0) _status |= PortResume;
    }

    /// <summary>The controller was reset: what is plugged in is found anew.</summary>
    internal void Reset()
    {
        _status = _isConnected ? ConnectChange : (ushort)0;
        if (_isConnected) Device!.Reset();
    }

    /// <summary>Saves or restores it, with the device.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("status", ref _status);
        fields.Require((_status & ~(PortChanges | PortWritable)) == 0 && (_isConnected || (_status & PortEnabled) == 0), "status");
        if (Device is not null) fields.Group("device", Device.Exchange);
    }
}
