using System;
using System.Text;
using Hutch.Core.State;

namespace Hutch.Devices.Usb;

/// <summary>
/// A USB device with one configuration: its descriptors and the requests that all devices answer (USB 2.0 §9.4). Every method is called under the controller's lock.
/// </summary>
internal abstract class UsbDevice(string name)
{
    /// <summary>An answer in place of a number of bytes: the request or the endpoint is refused until the host clears that (USB 2.0 §8.5.3.4).</summary>
    internal const int Stall = -1;

    /// <summary>An answer in place of a number of bytes: nothing to send yet (NAK).</summary>
    internal const int NotReady = -2;

    private const byte DeviceDescriptor = 1, ConfigurationDescriptor = 2, StringDescriptor = 3;
    private const int LanguageEnglish = 0x0409, DeviceIsSelfPowered = 1;

    private byte _configuration;

    /// <summary>The device's name.</summary>
    internal string Name { get; } = name;

    /// <summary>Who carries its data; null: not plugged in.</summary>
    internal IUsbHost? Host { get; set; }

    /// <summary>The fastest bus that it works at.</summary>
    internal UsbSpeed Fastest { get; init; } = UsbSpeed.High;

    /// <summary>How fast its bus is; set by who it is plugged into, before it is described.</summary>
    internal UsbSpeed Speed { get; set; } = UsbSpeed.High;

    /// <summary>The host has chosen its configuration.</summary>
    internal bool IsConfigured => _configuration != 0;

    /// <summary>The device descriptor (USB 2.0 §9.6.1).</summary>
    private protected abstract ReadOnlySpan<byte> Device { get; }

    /// <summary>The configuration descriptor with all that follows it (USB 2.0 §9.6.3).</summary>
    private protected abstract ReadOnlySpan<byte> Configuration { get; }

    /// <summary>What string descriptors 1 and on say.</summary>
    private protected abstract ReadOnlySpan<string> Strings { get; }

    /// <summary>Carries out a control transfer. Returns the bytes that it put into <paramref name="data"/>, or <see cref="Stall"/>.</summary>
    /// <param name="setup">The request.</param>
    /// <param name="data">Data to the device, or room for data from it; as long as the request says.</param>
    internal virtual int Control(UsbSetup setup, Span<byte> data)
    {
        switch (setup.Code)
        {
            case 0x8006: return Describe(setup.Value >> 8, setup.Value & 0xff, data);
            case 0x8008: return Put(data, [_configuration]);
            case 0x0009 when setup.Value <= 1:
                _configuration = (byte)setup.Value;
                return 0;
            case 0x8000: return Put(data, [DeviceIsSelfPowered, 0]);
            case 0x8100 or 0x8200: return Put(data, [0, 0]);
            case 0x810a when IsConfigured && setup.Index == 0: return Put(data, [0]);
            case 0x010b when IsConfigured && setup is { Index: 0, Value: 0 }: return 0;
            // ENDPOINT_HALT and remote wakeup may be cleared; nothing else can be set.
            case 0x0201 or 0x0001: return 0;
            case 0x0003 when setup.Value == 1: return 0;
            default: return Stall;
        }
    }

    /// <summary>A transfer from an interrupt or bulk endpoint. Returns the bytes that it put into <paramref name="data"/>, <see cref="NotReady"/> or <see cref="Stall"/>.</summary>
    /// <param name="endpoint">1 to 15.</param>
    /// <param name="data">Room, perhaps less than there is to say; what does not fit is lost.</param>
    internal abstract int In(int endpoint, Span<byte> data);

    /// <summary>Power-on state, as after a bus reset.</summary>
    internal virtual void Reset() => _configuration = 0;

    /// <summary>The machine runs, or stands still.</summary>
    internal virtual void SetRunning(bool running) { }

    /// <summary>Saves or restores what the guest made of the device.</summary>
    internal virtual void Exchange(StateFields fields)
    {
        fields.Value("configuration", ref _configuration);
        fields.Require(_configuration <= 1, "configuration");
    }

    /// <summary>Copies an answer, as much as there is room for, and returns how much.</summary>
    private protected static int Put(Span<byte> data, ReadOnlySpan<byte> answer)
    {
        int length = Math.Min(data.Length, answer.Length);
        answer[..length].CopyTo(data);
        return length;
    }

    private int Describe(int kind, int number, Span<byte> data) => (kind, number) switch
    {
        (DeviceDescriptor, 0) => Put(data, Device),
        (ConfigurationDescriptor, 0) => Put(data, Configuration),
        (StringDescriptor, 0) => Put(data, [4, StringDescriptor, LanguageEnglish & 0xff, LanguageEnglish >> 8]),
        (StringDescriptor, _) when number <= Strings.Length => Put(data, Text(Strings[number - 1])),
        _ => Stall,
    };

    private static byte[] Text(string text) => [(byte)(2 + 2 * text.Length), StringDescriptor, .. Encoding.Unicode.GetBytes(text)];
}

/// <summary>Speeds of a bus (USB 2.0 §5.3.1.1).</summary>
internal enum UsbSpeed
{
    /// <summary>12 Mbit/s, with frames of 1 ms.</summary>
    Full,

    /// <summary>480 Mbit/s, with microframes of 125 µs.</summary>
    High,
}

/// <summary>What carries the data of USB devices.</summary>
internal interface IUsbHost
{
    /// <summary>Guards the devices; whoever has something for a device takes it first.</summary>
    System.Threading.Lock Lock { get; }

    /// <summary>An endpoint that was not ready has something to send. Under the lock.</summary>
    void Wake(UsbDevice device, int endpoint);
}
