using System;
using Hutch.Core.State;

namespace Hutch.Devices.Usb;

/// <summary>
/// A human interface device with one interface and one interrupt endpoint (HID 1.11). Reports wait in a queue until the guest takes them, so that no click and no key is lost; when
/// the queue is full the newest report takes the place of the one before it. The idle rate is kept for the guest, but no report is repeated by it.
/// </summary>
/// <param name="name">The device's name.</param>
/// <param name="subclass">1: it has the boot protocol.</param>
/// <param name="protocol">1 keyboard, 2 mouse, 0 neither.</param>
/// <param name="descriptionBytes">Length of the report descriptor.</param>
internal abstract class UsbHid(string name, byte subclass, byte protocol, int descriptionBytes) : UsbDevice(name)
{
    /// <summary>Endpoint 1 sends the reports.</summary>
    private const int ReportEndpoint = 1;

    // A program that types a line does so faster than any guest takes it.
    private const int MostReports = 256;
    private const byte ReportDescriptor = 0x22, HidDescriptor = 0x21;
    private const byte BootProtocol = 0, ReportProtocol = 1, InputReport = 1;
    private const int HidOffset = 18, HidBytes = 9;

    // How often it is asked, as bInterval says it (USB 2.0 §9.6.6): every 8 frames, every 32 microframes.
    private const byte FullInterval = 8, HighInterval = 6;

    private readonly byte[] _fullLayout = ConfigurationOf(subclass, protocol, descriptionBytes, FullInterval), _highLayout = ConfigurationOf(subclass, protocol, descriptionBytes, HighInterval);
    private readonly byte[] _queue = new byte[MostReports * LongestReport];
    private int _count;
    private byte _protocol = ReportProtocol, _idle;

    /// <summary>No report is longer.</summary>
    private protected const int LongestReport = 8;

    /// <inheritdoc/>
    private protected sealed override ReadOnlySpan<byte> Configuration => Speed == UsbSpeed.High ? _highLayout : _fullLayout;

    /// <summary>Bytes of a report.</summary>
    private protected abstract int ReportBytes { get; }

    /// <summary>What the reports mean (HID 1.11 §6.2.2).</summary>
    private protected abstract ReadOnlySpan<byte> ReportDescription { get; }

    /// <summary>Writes a report of the present state.</summary>
    private protected abstract void Report(Span<byte> report);

    /// <summary>Takes a report of the guest's: lights. False: there is none of that kind.</summary>
    private protected virtual bool Accept(ReadOnlySpan<byte> report) => false;

    /// <inheritdoc/>
    internal override int Control(UsbSetup setup, Span<byte> data)
    {
        if (setup.Code == 0x8106 && setup.Index == 0)
        {
            if (setup.Value >> 8 == ReportDescriptor) return Put(data, ReportDescription);
            return setup.Value >> 8 == HidDescriptor ? Put(data, Configuration.Slice(HidOffset, HidBytes)) : Stall;
        }
        // The class's requests (HID 1.11 §7.2).
        switch (setup.Code)
        {
            case 0xa101 when setup.Value >> 8 == InputReport:
                Span<byte> report = stackalloc byte[LongestReport];
                Report(report);
                return Put(data, report[..ReportBytes]);
            case 0xa102: return Put(data, [_idle]);
            case 0xa103: return Put(data, [_protocol]);
            case 0x2109: return Accept(data) ? 0 : Stall;
            case 0x210a:
                _idle = (byte)(setup.Value >> 8);
                return 0;
            case 0x210b when setup.Value is BootProtocol or ReportProtocol:
                _protocol = (byte)setup.Value;
                return 0;
            default: return base.Control(setup, data);
        }
    }

    /// <inheritdoc/>
    internal override int In(int endpoint, Span<byte> data)
    {
        if (endpoint != ReportEndpoint) return Stall;
        if (_count == 0) return NotReady;
        int length = Put(data, _queue.AsSpan(0, ReportBytes));
        _count--;
        _queue.AsSpan(ReportBytes, _count * ReportBytes).CopyTo(_queue);
        return length;
    }

    /// <inheritdoc/>
    internal override void Reset()
    {
        base.Reset();
        (_count, _protocol, _idle) = (0, ReportProtocol, 0);
    }

    /// <inheritdoc/>
    internal override void Exchange(StateFields fields)
    {
        base.Exchange(fields);
        fields.Value("protocol", ref _protocol);
        fields.Value("idle", ref _idle);
        fields.Value("reports", ref _count, 0, MostReports);
        fields.Bytes("queue", _queue);
    }

    /// <summary>Queues a report of the present state.</summary>
    /// <param name="mayReplace">The last report, if it waits still, says nothing that this one does not.</param>
    private protected void Send(bool mayReplace = false)
    {
        if (!IsConfigured) return;
        if (_count == MostReports || (mayReplace && _count != 0)) _count--;
        Report(_queue.AsSpan(_count * ReportBytes, ReportBytes));
        _count++;
        Host?.Wake(this, ReportEndpoint);
    }

    /// <summary>The device descriptor of such a device, with strings 1 to 3.</summary>
    private protected static byte[] DeviceOf(ushort product) =>
        [18, 1, 0x00, 0x02, 0, 0, 0, 64, 0x27, 0x06, (byte)product, (byte)(product >> 8), 0, 0, 1, 2, 3, 1];

    // One interface of the class HID with the report endpoint (HID 1.11 §7.1).
    private static byte[] ConfigurationOf(byte subclass, byte protocol, int descriptionBytes, byte interval) =>
    [
        9, 2, 34, 0, 1, 1, 0, 0xe0, 50,
        9, 4, 0, 0, 1, 3, subclass, protocol, 0,
        HidBytes, HidDescriptor, 0x11, 0x01, 0, 1, ReportDescriptor, (byte)descriptionBytes, (byte)(descriptionBytes >> 8),
        7, 5, 0x80 | ReportEndpoint, 3, LongestReport, 0, interval,
    ];
}
