using System.Collections.Immutable;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>The firmware's part of the JSON of <see cref="MachineWriter"/> and <see cref="MachineReader"/>.</summary>
internal static class FirmwareJson
{
    /// <summary>Writes the properties into an open object.</summary>
    internal static void Write(Utf8JsonWriter writer, FirmwareConfig firmware)
    {
        writer.WriteString("ImagePath", firmware.ImagePath);
        writer.WriteString("VariablesPath", firmware.VariablesPath);
        writer.WriteBoolean("Menu", firmware.Menu);
        if (firmware.MenuMilliseconds is int milliseconds) writer.WriteNumber("MenuMilliseconds", milliseconds);
        writer.WriteStartArray("Entries");
        foreach (FwCfgEntry entry in firmware.Entries)
        {
            writer.WriteStartObject();
            writer.WriteString("Name", entry.Name);
            writer.WriteString("Path", entry.Path);
            writer.WriteString("Text", entry.Text);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    /// <summary>Reads them. Throws what <see cref="JsonElement"/> throws.</summary>
    internal static FirmwareConfig Read(string id, JsonElement device)
    {
        JsonElement list = device.GetProperty("Entries");
        FwCfgEntry[] entries = new FwCfgEntry[list.GetArrayLength()];
        for (int index = 0; index < entries.Length; index++)
            entries[index] = new FwCfgEntry(MachineReader.Text(list[index], "Name"), MachineReader.OptionalText(list[index], "Path"), MachineReader.OptionalText(list[index], "Text"));
        return new FirmwareConfig(id, MachineReader.Text(device, "ImagePath"))
        {
            VariablesPath = MachineReader.OptionalText(device, "VariablesPath"),
            Menu = MachineReader.Flag(device, "Menu"),
            MenuMilliseconds = MachineReader.OptionalNumber(device, "MenuMilliseconds"),
            Entries = ImmutableArray.Create(entries),
        };
    }
}
