using System;
using System.IO;
using System.Net.Sockets;
using System.Threading;

namespace Hutch.Host.Events;

/// <summary>A listening UNIX socket, one client at a time. Output while nobody is connected is dropped, as on an open wire.</summary>
public sealed class UnixChannel : IPatientChannel
{
    private readonly string _path;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly OutputPump _output;
    private readonly Thread _acceptor;
    private readonly ManualResetEventSlim _clientGone = new();
    private volatile Socket? _client;
    private volatile ReceiveBytes? _receive;
    private volatile InputPump? _input;
    private volatile bool _stopping;

    /// <summary>Binds and listens. A socket file that no process listens on any more is replaced. Throws <see cref="SocketException"/> or <see cref="IOException"/>.</summary>
    public UnixChannel(string path)
    {
        _path = path;
        RemoveStale(path);
        try
        {
            _listener.Bind(new UnixDomainSocketEndPoint(path));
            _listener.Listen(1);
        }
        catch
        {
            _listener.Dispose();
            throw;
        }
        _output = new OutputPump("serial-socket", Send);
        _acceptor = new Thread(Accept, 256 * 1024) { IsBackground = true, Name = "serial-accept" };
        _acceptor.Start();
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data)
    {
        if (_client is not null) _output.Write(data);
    }

    /// <inheritdoc/>
    public void StartInput(ReceiveBytes receive) => _receive = receive;

    /// <inheritdoc/>
    public void ResumeInput() => _input?.Resume();

    /// <inheritdoc/>
    public void LosePatience() => _output.LosePatience();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_stopping) return;
        _output.Dispose();
        _stopping = true;
        _listener.Dispose();
        _clientGone.Set();
        _acceptor.Join();
        _clientGone.Dispose();
        File.Delete(_path);
    }

    private static void RemoveStale(string path)
    {
        if (!File.Exists(path)) return;
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException refused) when (refused.SocketErrorCode == SocketError.ConnectionRefused)
        {
            // ECONNREFUSED from connect(2) means a socket file without a listener: left by a process that was killed.
            File.Delete(path);
        }
        catch (SocketException)
        {
            // Not a socket, or not ours to look at: bind gives the right error.
        }
    }

    private bool Send(ReadOnlySpan<byte> data, int patienceMs)
    {
        Socket? client = _client;
        if (client is null) return true;
        bool held = false;
        try
        {
            client.SafeHandle.DangerousAddRef(ref held);
            if (!OpenFile.WriteAll((int)client.SafeHandle.DangerousGetHandle(), data, patienceMs)) _clientGone.Set();
        }
        catch (ObjectDisposedException)
        {
            // The client left after it was looked up.
        }
        finally
        {
            if (held) client.SafeHandle.DangerousRelease();
        }
        return true;
    }

    private void Accept()
    {
        while (!_stopping)
        {
            try
            {
                Serve(_listener.Accept());
            }
            catch (SocketException)
            {
                // The listener was closed (then the loop ends), or the peer gave up before it was accepted.
            }
            catch (ObjectDisposedException)
            {
                return;
            }
        }
    }

    private void Serve(Socket client)
    {
        using (client)
        {
            _clientGone.Reset();
            _client = client;
            using InputPump input = new("serial-input", (int)client.SafeHandle.DangerousGetHandle(),
                data => _receive?.Invoke(data) ?? data.Length, filter: null, alwaysRead: false, ended: _clientGone.Set);
            _input = input;
            if (!_stopping) _clientGone.Wait();
            _client = null;
            _input = null;
        }
    }
}
