using System;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>The part of the JSON of <see cref="MachineWriter"/> and <see cref="MachineReader"/> that watchdogs and pvpanic devices have.</summary>
internal static class AlarmJson
{
    // In the order of the enumeration's values.
    private static readonly string[] Actions = [nameof(AlarmAction.None), nameof(AlarmAction.Pause), nameof(AlarmAction.Reset), nameof(AlarmAction.PowerOff)];

    /// <summary>Writes the property into an open object.</summary>
    internal static void Write(Utf8JsonWriter writer, AlarmAction action) => writer.WriteString("Action", Actions[(int)action]);

    /// <summary>Reads them. Throws what <see cref="JsonElement"/> throws, and <see cref="FormatException"/>.</summary>
    internal static DeviceConfig Read(string id, string type, JsonElement device)
    {
        string text = MachineReader.Text(device, "Action");
        int index = Array.IndexOf(Actions, text);
        if (index < 0) throw new FormatException($"'{text}' is no action.");
        return type == "pvpanic" ? new PvpanicConfig(id, (AlarmAction)index) : new WatchdogConfig(id, (AlarmAction)index);
    }
}
