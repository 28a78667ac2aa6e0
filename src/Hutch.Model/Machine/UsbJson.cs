using System;
using System.Collections.Immutable;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>USB controllers as JSON, both ways.</summary>
internal static class UsbJson
{
    private static readonly string[] Kinds = [nameof(UsbDeviceKind.Tablet), nameof(UsbDeviceKind.Keyboard)], Models = [nameof(UhciModel.Piix3), nameof(UhciModel.Ich9)];

    /// <summary>The name of a controller's type.</summary>
    internal static string TypeOf(UsbControllerConfig config) => config switch { UhciConfig => "uhci", EhciConfig => "ehci", _ => "xhci" };

    /// <summary>Writes what a controller has beside its name.</summary>
    internal static void Write(Utf8JsonWriter writer, UsbControllerConfig config)
    {
        if (config is UhciConfig uhci) writer.WriteString("Model", Models[(int)uhci.Model]);
        writer.WriteStartArray("Devices");
        foreach (UsbDeviceConfig device in config.Devices)
        {
            writer.WriteStartObject();
            writer.WriteString("Id", device.Id);
            writer.WriteString("Kind", Kinds[(int)device.Kind]);
            if (device.IsFullSpeed) writer.WriteBoolean("IsFullSpeed", true);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    /// <summary>Reads a controller of a type. Throws <see cref="FormatException"/> for a kind that there is not.</summary>
    internal static UsbControllerConfig Read(string id, string type, JsonElement controller)
    {
        JsonElement list = controller.GetProperty("Devices");
        UsbDeviceConfig[] devices = new UsbDeviceConfig[list.GetArrayLength()];
        for (int index = 0; index < devices.Length; index++)
            devices[index] = new UsbDeviceConfig(MachineReader.Text(list[index], "Id"), (UsbDeviceKind)Choice(list[index], "Kind", Kinds, "USB device")) { IsFullSpeed = MachineReader.Flag(list[index], "IsFullSpeed") };
        ImmutableArray<UsbDeviceConfig> all = ImmutableArray.Create(devices);
        return type switch
        {
            "uhci" => new UhciConfig(id, (UhciModel)Choice(controller, "Model", Models, "USB controller"), all),
            "ehci" => new EhciConfig(id, all),
            _ => new XhciConfig(id, all),
        };
    }

    private static int Choice(JsonElement parent, string property, string[] choices, string what)
    {
        string text = MachineReader.Text(parent, property);
        int number = Array.IndexOf(choices, text);
        return number >= 0 ? number : throw new FormatException($"'{text}' is no {what}.");
    }
}
