using System;
using System.Collections.Immutable;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>USB controllers as JSON, both ways.</summary>
internal static class UsbJson
{
    private static readonly string[] Kinds = [nameof(UsbDeviceKind.Tablet), nameof(UsbDeviceKind.Keyboard)];

    /// <summary>Writes what a controller has beside its name.</summary>
    internal static void Write(Utf8JsonWriter writer, XhciConfig config)
    {
        writer.WriteStartArray("Devices");
        foreach (UsbDeviceConfig device in config.Devices)
        {
            writer.WriteStartObject();
            writer.WriteString("Id", device.Id);
            writer.WriteString("Kind", Kinds[(int)device.Kind]);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    /// <summary>Reads a controller. Throws <see cref="FormatException"/> for a kind that there is not.</summary>
    internal static XhciConfig Read(string id, JsonElement controller)
    {
        JsonElement list = controller.GetProperty("Devices");
        UsbDeviceConfig[] devices = new UsbDeviceConfig[list.GetArrayLength()];
        for (int index = 0; index < devices.Length; index++)
        {
            string kind = MachineReader.Text(list[index], "Kind");
            int number = Array.IndexOf(Kinds, kind);
            if (number < 0) throw new FormatException($"'{kind}' is no USB device.");
            devices[index] = new UsbDeviceConfig(MachineReader.Text(list[index], "Id"), (UsbDeviceKind)number);
        }
        return new XhciConfig(id, ImmutableArray.Create(devices));
    }
}
