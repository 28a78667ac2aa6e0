using System;
using Hutch.Core.State;

namespace Hutch.Devices.Usb;

/// <summary>A pointing device that tells places, as a graphics tablet does, so that a viewer's pointer and the guest's are one (HID usage tables 1.12, Generic Desktop and Button).</summary>
internal sealed class UsbTablet(string name) : UsbHid(name, subclass: 0, protocol: 0, Description.Length), IAbsolutePointer
{
    private const int Bytes = 6, Product = 0x0001, MostWheel = 127;

    private static readonly string[] Words = ["Hutch", "USB Tablet", "1"];
    private static readonly byte[] Identity = DeviceOf(Product);

    private bool _running;
    private ushort _x, _y;
    private byte _buttons;
    private int _wheel;

    // Five buttons and three bits of padding, two coordinates of 15 bits, a wheel.
    private static ReadOnlySpan<byte> Description =>
    [
        0x05, 0x01, 0x09, 0x02, 0xa1, 0x01, 0x09, 0x01, 0xa1, 0x00,
        0x05, 0x09, 0x19, 0x01, 0x29, 0x05, 0x15, 0x00, 0x25, 0x01, 0x95, 0x05, 0x75, 0x01, 0x81, 0x02, 0x95, 0x01, 0x75, 0x03, 0x81, 0x01,
        0x05, 0x01, 0x09, 0x30, 0x09, 0x31, 0x15, 0x00, 0x26, 0xff, 0x7f, 0x35, 0x00, 0x46, 0xff, 0x7f, 0x75, 0x10, 0x95, 0x02, 0x81, 0x02,
        0x09, 0x38, 0x15, 0x81, 0x25, 0x7f, 0x35, 0x00, 0x45, 0x00, 0x75, 0x08, 0x95, 0x01, 0x81, 0x06,
        0xc0, 0xc0,
    ];

    /// <inheritdoc/>
    public bool IsUsed => IsConfigured;

    /// <inheritdoc/>
    private protected override ReadOnlySpan<byte> Device => Identity;

    /// <inheritdoc/>
    private protected override ReadOnlySpan<string> Strings => Words;

    /// <inheritdoc/>
    private protected override int ReportBytes => Bytes;

    /// <inheritdoc/>
    private protected override ReadOnlySpan<byte> ReportDescription => Description;

    /// <inheritdoc/>
    public void Place(int x, int y, int wheel, PointerButtons buttons)
    {
        if (Host is not { } host) return;
        lock (host.Lock)
        {
            if (!_running) return;
            bool moves = wheel == 0 && _wheel == 0 && (byte)buttons == _buttons;
            _x = (ushort)Math.Clamp(x, 0, IAbsolutePointer.Range);
            _y = (ushort)Math.Clamp(y, 0, IAbsolutePointer.Range);
            (_buttons, _wheel) = ((byte)((byte)buttons & 0x1f), Math.Clamp(-wheel, -MostWheel, MostWheel));
            Send(mayReplace: moves);
        }
    }

    /// <inheritdoc/>
    internal override void Reset()
    {
        base.Reset();
        (_x, _y, _buttons, _wheel) = (0, 0, 0, 0);
    }

    /// <inheritdoc/>
    internal override void SetRunning(bool running) => _running = running;

    /// <inheritdoc/>
    private protected override void Report(Span<byte> report)
    {
        (report[0], report[1], report[2], report[3], report[4], report[5]) = (_buttons, (byte)_x, (byte)(_x >> 8), (byte)_y, (byte)(_y >> 8), (byte)_wheel);
    }

    /// <inheritdoc/>
    internal override void Exchange(StateFields fields)
    {
        base.Exchange(fields);
        fields.Value("x", ref _x);
        fields.Value("y", ref _y);
        fields.Value("buttons", ref _buttons);
    }
}
