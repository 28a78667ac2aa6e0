using System;
using System.Collections;
using Hutch.Core.State;

namespace Hutch.Devices.Usb;

/// <summary>
/// A keyboard that firmware understands too (HID 1.11 appendix B.1, the boot keyboard). While the machine stands still nothing is typed; keys that were let go meanwhile are released
/// when it goes on.
/// </summary>
internal sealed class UsbKeyboard(string name) : UsbHid(name, subclass: 1, protocol: 1, Description.Length), IKeyboard
{
    private const int Bytes = 8, Product = 0x0002, KeyCount = 256, MostKeys = 6;
    private const byte RollOver = 1, CapsLockLight = 2;

    private static readonly string[] Words = ["Hutch", "USB Keyboard", "1"];
    private static readonly byte[] Identity = DeviceOf(Product);

    // By usage.
    private readonly BitArray _held = new(KeyCount);
    private bool _running;
    private byte _lights;

    // Modifiers, a byte of nothing, five lights with padding, six keys.
    private static ReadOnlySpan<byte> Description =>
    [
        0x05, 0x01, 0x09, 0x06, 0xa1, 0x01, 0x05, 0x07, 0x19, 0xe0, 0x29, 0xe7, 0x15, 0x00, 0x25, 0x01, 0x75, 0x01, 0x95, 0x08, 0x81, 0x02,
        0x95, 0x01, 0x75, 0x08, 0x81, 0x01,
        0x95, 0x05, 0x75, 0x01, 0x05, 0x08, 0x19, 0x01, 0x29, 0x05, 0x91, 0x02, 0x95, 0x01, 0x75, 0x03, 0x91, 0x01,
        0x95, 0x06, 0x75, 0x08, 0x15, 0x00, 0x26, 0xff, 0x00, 0x05, 0x07, 0x19, 0x00, 0x2a, 0xff, 0x00, 0x81, 0x00,
        0xc0,
    ];

    /// <inheritdoc/>
    public bool IsUsed => IsConfigured;

    /// <inheritdoc/>
    public bool HasCapsLock => (_lights & CapsLockLight) != 0;

    /// <inheritdoc/>
    private protected override ReadOnlySpan<byte> Device => Identity;

    /// <inheritdoc/>
    private protected override ReadOnlySpan<string> Strings => Words;

    /// <inheritdoc/>
    private protected override int ReportBytes => Bytes;

    /// <inheritdoc/>
    private protected override ReadOnlySpan<byte> ReportDescription => Description;

    /// <inheritdoc/>
    public void Press(byte key, bool down)
    {
        byte usage = KeyUsages.Find(key);
        if (usage == 0 || Host is not { } host) return;
        lock (host.Lock)
        {
            // The guest repeats keys by itself.
            if (_held[usage] == down) return;
            _held[usage] = down;
            if (_running) Send();
        }
    }

    /// <inheritdoc/>
    internal override void SetRunning(bool running)
    {
        bool goesOn = running && !_running;
        _running = running;
        if (goesOn) Send();
    }

    /// <inheritdoc/>
    internal override void Reset()
    {
        base.Reset();
        _lights = 0;
    }

    /// <inheritdoc/>
    internal override void Exchange(StateFields fields)
    {
        base.Exchange(fields);
        fields.Value("lights", ref _lights);
    }

    /// <inheritdoc/>
    private protected override bool Accept(ReadOnlySpan<byte> report)
    {
        if (report.Length != 0) _lights = report[0];
        return report.Length != 0;
    }

    /// <inheritdoc/>
    private protected override void Report(Span<byte> report)
    {
        report.Clear();
        int keys = 0;
        for (int usage = 4; usage < KeyCount; usage++)
        {
            if (!_held[usage]) continue;
            if (usage >= KeyUsages.FirstModifier) report[0] |= (byte)(1 << (usage & 7));
            else if (keys++ < MostKeys) report[1 + keys] = (byte)usage;
        }
        if (keys > MostKeys) report.Slice(2, MostKeys).Fill(RollOver);
    }
}
