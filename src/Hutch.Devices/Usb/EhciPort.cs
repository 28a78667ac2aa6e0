using Hutch.Core.State;
using static Hutch.Devices.Usb.EhciRegisters;

namespace Hutch.Devices.Usb;

/// <summary>
/// A port of the root hub, which is the controller's or, with what is plugged in, its companion's (EHCI 1.0 §2.3.9, §4.2). A device that is not fast enough is not enabled by its reset: the
/// guest then hands the port over. Under the controller's lock.
/// </summary>
/// <param name="companion">The companion's port, which has the device at first.</param>
/// <param name="own">The controller.</param>
/// <param name="other">The companion.</param>
internal sealed class EhciPort(UhciPort companion, IUsbHost own, UhciController other)
{
    private const uint Alive = PortEnabled | Suspended | PortResume | PortReset, Kept = PortChanges | Indicators | WakeBits;

    private uint _status = PortOwner;

    /// <summary>What is plugged in, whoever has it.</summary>
    internal UsbPacketDevice? Device => companion.Device;

    /// <summary>Packets reach the device.</summary>
    internal bool IsActive => (_status & (PortOwner | Alive)) == PortEnabled;

    private bool IsConnected => Device is not null && (_status & PortOwner) == 0;

    private bool IsFast => Device is { } device && device.Device.Fastest == UsbSpeed.High;

    /// <summary>Reads PORTSC.</summary>
    internal uint Read() => _status | PortPower | (!IsConnected ? 0 : Connected | ((_status & (PortEnabled | PortReset)) == 0 ? LineJ : 0));

    /// <summary>Writes it; true when a change appeared.</summary>
    /// <param name="value">What is written.</param>
    /// <param name="isConfigured">The guest may choose the owner.</param>
    internal bool Write(uint value, bool isConfigured)
    {
        _status &= ~(value & PortChanges);
        _status = (_status & ~(Indicators | WakeBits)) | (value & (Indicators | WakeBits));
        if (isConfigured && ((value ^ _status) & PortOwner) != 0) return Route((value & PortOwner) != 0);
        if (!IsConnected) return false;
        if ((value & PortEnabled) == 0) _status &= ~(PortEnabled | Suspended);
        // A port that sleeps wakes when its resume signal ends.
        if ((_status & PortResume) != 0 && (value & PortResume) == 0) _status &= ~(PortResume | Suspended);
        else if ((_status & PortEnabled) != 0) _status |= (value & Suspended) | ((_status & Suspended) != 0 ? value & PortResume : 0);
        SetReset((value & PortReset) != 0);
        return false;
    }

    /// <summary>The port is the companion's, or the controller's. True when what is plugged in came or went.</summary>
    internal bool Route(bool toCompanion)
    {
        if ((_status & PortOwner) != 0 == toCompanion) return false;
        _status = (_status & Kept) | (toCompanion ? PortOwner : 0);
        if (Device is null) return false;
        if (toCompanion) companion.Connect(other);
        else
        {
            companion.Disconnect();
            (Device.Device.Host, Device.Device.Speed) = (own, Device.Device.Fastest);
        }
        other.Resume();
        _status |= ConnectChange;
        return true;
    }

    /// <summary>The device wants to be heard. True: its port sleeps, and tells so.</summary>
    internal bool Wake()
    {
        if ((_status & Suspended) == 0) return false;
        _status |= PortResume;
        return true;
    }

    /// <summary>The controller was reset: the port is the companion's.</summary>
    internal void Reset()
    {
        _ = Route(toCompanion: true);
        _status = PortOwner;
    }

    /// <summary>Saves or restores it; the device is the companion's to save, after this.</summary>
    internal void Exchange(StateFields fields)
    {
        uint status = _status;
        fields.Value("status", ref status);
        if (!fields.IsRestoring) return;
        _ = Route((status & PortOwner) != 0);
        fields.Require((status & ~(Kept | Alive | PortOwner)) == 0 && ((status & Alive) == 0 || IsConnected) && ((status & PortEnabled) == 0 || IsFast), "status");
        _status = status;
    }

    private void SetReset(bool isReset)
    {
        if (isReset && (_status & PortReset) == 0)
        {
            Device!.Reset();
            _status = (_status & ~Alive) | PortReset;
        }
        else if (!isReset && (_status & PortReset) != 0)
        {
            _status = (_status & ~PortReset) | (IsFast ? PortEnabled : 0);
        }
    }
}
