using Hutch.Core.State;
using static Hutch.Devices.Usb.XhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>A port of the root hub (xHCI 1.2 §4.19, §5.4.8). Under the controller's lock.</summary>
/// <param name="number">1 to <see cref="PortCount"/>.</param>
/// <param name="device">What is plugged in.</param>
internal sealed class XhciPort(int number, UsbDevice? device)
{
    private uint _status;

    /// <summary>Its number.</summary>
    internal int Number { get; } = number;

    /// <summary>What is plugged in.</summary>
    internal UsbDevice? Device { get; } = device;

    /// <summary>Something changed that the guest has not seen.</summary>
    internal bool HasChange => (_status & PortChanges) != 0;

    /// <summary>Reads one of its registers.</summary>
    internal uint Read(int register) => register == 0 ? _status : 0;

    /// <summary>Writes one of its registers; true when a change appeared.</summary>
    internal bool Write(int register, uint value)
    {
        if (register != 0) return false;
        _status &= ~(value & PortChanges);
        _status = (_status & ~PortWake) | (value & PortWake);
        if ((value & PortPower) == 0)
        {
            _status &= ~(PortPower | PortEnabled | (0xfu << LinkShift));
            return false;
        }
        _status |= PortPower;
        if ((value & (PortReset | WarmReset)) != 0) return ResetDevice();
        // Written as one, the bit disables the port.
        if ((value & PortEnabled) != 0) _status &= ~PortEnabled;
        return (value & LinkWrite) != 0 && SetLink((value >> LinkShift) & 0xf);
    }

    /// <summary>The controller was reset: what is plugged in is found anew.</summary>
    internal void Reset()
    {
        _status = PortPower | ((Device is null ? LinkRxDetect : LinkPolling) << LinkShift);
        if (Device is not null) _status |= Connected | ConnectChange | ((uint)(Device.Speed == UsbSpeed.High ? HighSpeed : FullSpeed) << SpeedShift);
    }

    /// <summary>Saves or restores it, with the device.</summary>
    internal void Exchange(StateFields fields)
    {
        fields.Value("status", ref _status);
        if (Device is not null) fields.Group("device", Device.Exchange);
    }

    private bool ResetDevice()
    {
        if (Device is null) return false;
        Device.Reset();
        _status = (_status & ~(0xfu << LinkShift)) | PortEnabled | ResetChange;
        return true;
    }

    // Sleeping and waking are the guest's words only.
    private bool SetLink(uint link)
    {
        uint before = (_status >> LinkShift) & 0xf;
        if ((_status & PortEnabled) == 0 || link is not (LinkU0 or LinkU3)) return false;
        _status = (_status & ~(0xfu << LinkShift)) | (link << LinkShift);
        if (link != LinkU0 || before != LinkU3) return false;
        _status |= LinkChange;
        return true;
    }
}
