namespace Hutch.Devices.Virtio.Input;

/// <summary>Numbers of the input device (virtio 1.2 §5.8) and of Linux's events, which it carries (linux/input-event-codes.h).</summary>
internal static class VirtioInputCodes
{
    /// <summary>The device type (§5).</summary>
    internal const ushort DeviceType = 18;

    /// <summary>Queues (§5.8.2).</summary>
    internal const int EventQueue = 0, StatusQueue = 1;

    /// <summary>Configuration space (§5.8.5): what the driver asks for, how long the answer is, the answer.</summary>
    internal const int ConfigSelect = 0, ConfigSubselect = 1, ConfigSize = 2, ConfigAnswer = 8, AnswerBytes = 128, ConfigBytes = ConfigAnswer + AnswerBytes;

    /// <summary>What a driver may ask for (enum virtio_input_config_select, §5.8.5).</summary>
    internal const byte SelectName = 1, SelectSerial = 2, SelectIds = 3, SelectProperties = 0x10, SelectEvents = 0x11, SelectAxis = 0x12;

    /// <summary>struct virtio_input_event (§5.8.6): type, code, value.</summary>
    internal const int EventBytes = 8;

    /// <summary>Types of events.</summary>
    internal const byte Synchronise = 0, Key = 1, Relative = 2, Absolute = 3, Led = 0x11, Repeat = 0x14;

    /// <summary>Axes, relative and absolute ones, and the wheel, which counts away from the user.</summary>
    internal const ushort AxisX = 0, AxisY = 1, Wheel = 8;

    /// <summary>The first of five buttons: left, right, middle, side, extra.</summary>
    internal const ushort FirstButton = 0x110;

    /// <summary>The light of caps lock, the second of three.</summary>
    internal const int Lights = 3, CapsLock = 1;

    /// <summary>BUS_VIRTUAL (linux/input.h), and the vendor and version that QEMU's devices have.</summary>
    internal const ushort BusVirtual = 6, Vendor = 0x0627, FirstVersion = 1;
}
