using Hutch.Model.Machine;

namespace Hutch.Cli.Options;

/// <summary>A forwarded port: <c>tcp:[ADDRESS]:PORT-[GUEST]:PORT</c>. An address that is not said is all of the host's, and the guest's own.</summary>
internal static class ForwardOption
{
    private const string Any = "0.0.0.0";
    private const uint HighestPort = ushort.MaxValue;

    /// <summary>Reads one. Throws <see cref="UserException"/>.</summary>
    /// <param name="value">The whole option, for the message.</param>
    /// <param name="text">What stands behind <c>hostfwd=</c>.</param>
    internal static PortForward Parse(string value, string text)
    {
        string[] protocol = text.Split(':', 2), ends = protocol.Length == 2 ? protocol[1].Split('-') : [];
        if (protocol[0] is "tcp" or "udp" or "" && ends.Length == 2 && TryEnd(ends[0], least: 0, out string host, out int hostPort)
            && TryEnd(ends[1], least: 1, out string guest, out int guestPort)) return new PortForward(protocol[0] == "udp", host, hostPort, guest, guestPort);
        throw OptionText.Bad("--net", value, $"'{text}' is no forwarded port; write tcp:[ADDRESS]:PORT-[GUEST]:PORT, for example tcp::8080-:80 or udp:127.0.0.1:0-:53.");
    }

    private static bool TryEnd(string text, int least, out string address, out int port)
    {
        string[] parts = text.Split(':');
        address = parts[0].Length == 0 ? Any : parts[0];
        port = 0;
        if (parts.Length != 2 || !OptionText.TryNumber(parts[1], HighestPort, out uint number) || number < least) return false;
        port = (int)number;
        return true;
    }
}
