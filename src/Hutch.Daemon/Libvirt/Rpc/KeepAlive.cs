namespace Hutch.Daemon.Libvirt.Rpc;

/// <summary>
/// The keepalive program: a peer that has asked for it is pinged after five seconds of silence, and given up when five pings went unanswered. Any packet counts as a
/// sign of life. Not thread-safe: its connection has a lock.
/// </summary>
internal sealed class KeepAlive
{
    internal const uint Program = 0x6b656570;
    internal const int Ping = 1, Pong = 2;

    private const long SilenceNanoseconds = 5_000_000_000;
    private const int MostUnanswered = 5;

    private long _lastSign;
    private int _unanswered;

    internal static byte[] PingPacket { get; } = new PacketHeader(Program, PacketHeader.CurrentVersion, Ping, PacketType.Message, 0, PacketStatus.Ok).Frame([]);

    internal static byte[] PongPacket { get; } = new PacketHeader(Program, PacketHeader.CurrentVersion, Pong, PacketType.Message, 0, PacketStatus.Ok).Frame([]);

    /// <summary>A packet came.</summary>
    internal void Hear(long nanoseconds) => (_lastSign, _unanswered) = (nanoseconds, 0);

    /// <summary>What to do now, for a peer that asked for it; ask about once a second.</summary>
    internal KeepAliveStep Next(long nanoseconds)
    {
        if (nanoseconds - _lastSign < SilenceNanoseconds) return KeepAliveStep.Wait;
        if (_unanswered == MostUnanswered) return KeepAliveStep.GiveUp;
        _unanswered++;
        _lastSign = nanoseconds;
        return KeepAliveStep.SendPing;
    }
}

/// <summary>What <see cref="KeepAlive"/> wants done.</summary>
internal enum KeepAliveStep
{
    Wait,
    SendPing,
    GiveUp,
}
