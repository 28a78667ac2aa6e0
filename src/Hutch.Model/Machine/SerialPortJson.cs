using System.Collections.Immutable;
using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>Virtio consoles with several ports as JSON, both ways.</summary>
internal static class SerialPortJson
{
    /// <summary>Writes what a device has beside its name.</summary>
    internal static void Write(Utf8JsonWriter writer, VirtioSerialConfig config)
    {
        writer.WriteStartArray("Ports");
        foreach (SerialPortConfig port in config.Ports)
        {
            writer.WriteStartObject();
            writer.WriteString("Id", port.Id);
            writer.WriteString("Path", port.Path);
            writer.WriteString("Name", port.Name);
            writer.WriteBoolean("IsConsole", port.IsConsole);
            writer.WriteEndObject();
        }
        writer.WriteEndArray();
    }

    /// <summary>Reads a device.</summary>
    internal static VirtioSerialConfig Read(string id, JsonElement device)
    {
        JsonElement list = device.GetProperty("Ports");
        SerialPortConfig[] ports = new SerialPortConfig[list.GetArrayLength()];
        for (int index = 0; index < ports.Length; index++)
        {
            JsonElement port = list[index];
            ports[index] = new SerialPortConfig(MachineReader.Text(port, "Id"), MachineReader.Text(port, "Path"), MachineReader.OptionalText(port, "Name"), MachineReader.Flag(port, "IsConsole"));
        }
        return new VirtioSerialConfig(id, ImmutableArray.Create(ports));
    }
}
