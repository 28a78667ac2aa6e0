using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading;
using Hutch.Devices;
using Hutch.Host.Sockets;
using Hutch.Host.Time;
using Hutch.Model.Machine;

namespace Hutch.Vmm.Display;

/// <summary>
/// Serves the machine's screen, keyboard and mouse by the RFB protocol, version 3.8 (RFC 6143). Several clients see the same screen; one that asks to be alone sends the others away. Two
/// threads for each client, up to a number of them.
/// </summary>
internal sealed class VncServer : IDisposable
{
    private const int MostClients = 16, MostPasswordBytes = 8, MostWrong = 5;
    private const long LockedNanoseconds = 10_000_000_000;

    private readonly Lock _lock = new();
    private readonly HashSet<RfbClient> _clients = [];
    private readonly List<VncDoor> _doors = [];
    private readonly IClock _clock;
    private readonly byte[]? _password;
    private readonly VncTls? _tls;
    private readonly Func<RfbInput> _input;
    private readonly ScreenWatch _watch;
    private bool _isEnding;
    private int _wrong;
    private long _lockedUntil = long.MinValue;

    private VncServer(string name, byte[]? password, VncTls? tls, ScreenWatch watch, Func<RfbInput> input, IClock clock)
    {
        (_password, _tls, _watch, _input, _clock) = (password, tls, watch, input, clock);
        Handshake = new RfbHandshake(name, password, tls);
    }

    /// <summary>How connections begin.</summary>
    internal RfbHandshake Handshake { get; }

    /// <summary>The TCP ports, that of viewers in a browser behind the other; 0 for a UNIX socket.</summary>
    internal IReadOnlyList<int> Ports => _doors.ConvertAll(static door => door.Port);

    /// <summary>Begins to serve; null: nothing is to be served. Throws <see cref="ConfigException"/>.</summary>
    /// <param name="config">Where.</param>
    /// <param name="name">The machine's name.</param>
    /// <param name="screens">Its screens, which are served as one.</param>
    /// <param name="input">Its keyboards and pointing devices.</param>
    /// <param name="clock">Time of the host.</param>
    internal static VncServer? Open(VncConfig? config, string name, IReadOnlyList<IScreen> screens, InputDevices input, IClock clock)
    {
        if (config is null) return null;
        if (screens.Count == 0) throw new ConfigException("The machine has no screen that could be served; add a display adapter with --device VGA.");
        byte[]? password = config.PasswordPath is null ? null : ReadPassword(config.PasswordPath);
        VncTls? tls = config.TlsFolder is null ? null : VncTls.Load(config.TlsFolder);
        ScreenWatch watch = new(new FrontScreen(screens), clock);
        VncServer server = new(name, password, tls, watch, () => new RfbInput(input, () => watch.Size), clock);
        try
        {
            string host = config.Host ?? "";
            if (config.SocketPath is string path) server.Serve(path, "vnc", isBrowser: false, () => StreamListener.OnUnix(path));
            else server.Serve($"{host}:{config.Port}", "vnc", isBrowser: false, () => StreamListener.OnTcp(host, config.Port));
            if (config.WebSocketPort is int port) server.Serve($"{host}:{port}", "vnc browsers", isBrowser: true, () => StreamListener.OnTcp(host, port));
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    /// <summary>What the user should know of where the screen is served; null: nothing. A UNIX socket is its user's, and a loopback address is of this host alone.</summary>
    internal static string? WarningOf(VncConfig? config)
    {
        if (config is null || config.SocketPath is not null || config.PasswordPath is not null) return null;
        string host = config.Host ?? "";
        if (host == "localhost" || (IPAddress.TryParse(host, out IPAddress? address) && IPAddress.IsLoopback(address))) return null;
        return $"The display is served on {(host.Length == 0 ? "all addresses" : host)}, port {config.Port}, without a password: who reaches it can see and use the machine; serve on 127.0.0.1 or name a password-file.";
    }

    /// <summary>Greets a client. False: it was sent away. Throws <see cref="InvalidDataException"/> and <see cref="IOException"/>.</summary>
    internal bool Admit(RfbLink link, bool isBrowser)
    {
        if (isBrowser)
        {
            if (_tls is not null) link.Encrypt(_tls, isBrowser: true);
            link.BecomeWebSocket(isOpenToAll: _password is null);
        }
        bool isLocked;
        lock (_lock) isLocked = _password is not null && _clock.MonotonicNanoseconds < _lockedUntil;
        bool isWelcome = Handshake.Greet(link, isLocked) is null;
        if (_password is null || isLocked) return isWelcome;
        lock (_lock)
        {
            _wrong = isWelcome ? 0 : _wrong + 1;
            if (_wrong >= MostWrong) (_wrong, _lockedUntil) = (0, _clock.MonotonicNanoseconds + LockedNanoseconds);
        }
        return isWelcome;
    }

    /// <summary>A client wants the screen for itself.</summary>
    internal void SendOthersAway(RfbClient but)
    {
        lock (_lock)
            foreach (RfbClient client in _clients)
                if (client != but) client.Leave();
    }

    /// <summary>A client has ended.</summary>
    internal void Forget(RfbClient client)
    {
        lock (_lock) _clients.Remove(client);
    }

    /// <summary>Ends all connections and listens no more.</summary>
    public void Dispose()
    {
        lock (_lock) _isEnding = true;
        foreach (VncDoor door in _doors) door.Dispose();
        lock (_lock)
            foreach (RfbClient client in _clients) client.Leave();
        _tls?.Dispose();
    }

    private static byte[] ReadPassword(string path)
    {
        try
        {
            using StreamReader file = new(path);
            byte[] password = Encoding.UTF8.GetBytes(file.ReadLine() ?? "");
            if (password.Length == 0) throw new ConfigException($"The password file {path} is empty; write a password on its first line.");
            return password.Length <= MostPasswordBytes ? password : password[..MostPasswordBytes];
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"The password file {path} cannot be read ({refused.Message.TrimEnd('.')}); check the path.", refused);
        }
    }

    private void Serve(string where, string name, bool isBrowser, Func<StreamListener> listen)
    {
        try
        {
            _doors.Add(new VncDoor(listen(), name, stream => Take(stream, isBrowser)));
        }
        catch (Exception refused) when (refused is SocketException or IOException or UnauthorizedAccessException)
        {
            throw new ConfigException($"The display cannot be served on {where} ({refused.Message.TrimEnd('.')}); choose another address or number with --display.", refused);
        }
    }

    private void Take(Stream stream, bool isBrowser)
    {
        RfbClient client = new(stream, isBrowser, this, _watch, _input());
        lock (_lock)
        {
            if (_clients.Count < MostClients && !_isEnding)
            {
                _clients.Add(client);
                client.Start();
                return;
            }
        }
        client.Dispose();
    }
}
