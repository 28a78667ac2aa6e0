using System.Text.Json;

namespace Hutch.Model.Machine;

/// <summary>The JSON of where a machine's screen is served.</summary>
internal static class VncJson
{
    internal static void Write(Utf8JsonWriter writer, VncConfig vnc)
    {
        writer.WriteStartObject("Vnc");
        writer.WriteString("Host", vnc.Host);
        writer.WriteNumber("Port", vnc.Port);
        writer.WriteString("SocketPath", vnc.SocketPath);
        writer.WriteString("PasswordPath", vnc.PasswordPath);
        writer.WriteString("TlsFolder", vnc.TlsFolder);
        if (vnc.WebSocketPort is int port) writer.WriteNumber("WebSocketPort", port);
        writer.WriteEndObject();
    }

    internal static VncConfig Read(JsonElement vnc) => new(
        MachineReader.OptionalText(vnc, "Host"), vnc.GetProperty("Port").GetInt32(), MachineReader.OptionalText(vnc, "SocketPath"), MachineReader.OptionalText(vnc, "PasswordPath"),
        MachineReader.OptionalText(vnc, "TlsFolder"), MachineReader.OptionalNumber(vnc, "WebSocketPort"));
}
