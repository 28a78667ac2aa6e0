using System;
using System.IO;
using System.Net.Http;
using System.Net.Sockets;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Devices;
using Hutch.Host.Time;
using Hutch.Model.Machine;
using Hutch.Vmm.Display;
using Xunit;

namespace Hutch.Tests.Vmm.Display;

/// <summary>What may lie between the screen and its viewer: TLS by VeNCrypt, and a browser's WebSocket (RFC 6455).</summary>
public sealed class VncLayersTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("hutch-vnc-").FullName;
    private readonly PaintedScreen _screen = new();
    private VncServer? _server;

    public void Dispose()
    {
        _server?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private string SocketPath => Path.Combine(_folder, "vnc");

    [Theory]
    [InlineData(null)]
    [InlineData("secret")]
    public void A_screen_is_seen_through_tls(string? password)
    {
        Serve(new VncConfig(null, 0, SocketPath, WritePassword(password), WriteCertificate()));
        using RfbViewer viewer = new(SocketPath);
        Assert.Null(viewer.Begin(security: RfbViewer.Vencrypt, password: password is null ? null : Encoding.ASCII.GetBytes(password)));
        Assert.Equal("CN=guest.test", viewer.Certificate);
        See(viewer);
    }

    [Fact]
    public void A_wrong_password_is_refused_in_tls_too()
    {
        Serve(new VncConfig(null, 0, SocketPath, WritePassword("secret"), WriteCertificate()));
        using RfbViewer viewer = new(SocketPath);
        Assert.Contains("wrong", viewer.Begin(security: RfbViewer.Vencrypt, password: "other"u8.ToArray()), StringComparison.Ordinal);
        Assert.True(viewer.IsSentAway());
    }

    [Theory]
    // An old version, which has no word for it; the type without TLS; another version of VeNCrypt; another subtype; words in the open where TLS should begin.
    [InlineData("RFB 003.003\n", "")]
    [InlineData("RFB 003.008\n", "01")]
    [InlineData("RFB 003.008\n", "130001")]
    [InlineData("RFB 003.008\n", "13000200000101")]
    [InlineData("RFB 003.008\n", "1300020000010401")]
    public void Who_does_not_encrypt_sees_nothing(string version, string words)
    {
        Serve(new VncConfig(null, 0, SocketPath, null, WriteCertificate()));
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(SocketPath));
        using NetworkStream stream = new(socket) { ReadTimeout = 30_000 };
        stream.Write([.. Encoding.ASCII.GetBytes(version), .. Convert.FromHexString(words)]);
        using MemoryStream heard = new();
        try
        {
            stream.CopyTo(heard);
        }
        catch (IOException)
        {
            // Ended with words of ours unread.
        }
        Assert.DoesNotContain("guest", Encoding.ASCII.GetString(heard.ToArray()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ws")]
    [InlineData("wss")]
    public async Task A_screen_is_seen_by_a_browser(string scheme)
    {
        Serve(new VncConfig("127.0.0.1", 0, null, null, scheme == "wss" ? WriteCertificate() : null, 0));
        using ClientWebSocket socket = new();
        socket.Options.AddSubProtocol("binary");
        socket.Options.SetRequestHeader("Origin", "http://127.0.0.1:6080");
        using SocketsHttpHandler handler = new() { SslOptions = { RemoteCertificateValidationCallback = static (_, certificate, _, _) => certificate?.Subject == "CN=guest.test" } };
        using HttpMessageInvoker invoker = new(handler);
        await socket.ConnectAsync(new Uri($"{scheme}://127.0.0.1:{_server!.Ports[1]}/websockify"), invoker, CancellationToken.None);
        Assert.Equal("binary", socket.SubProtocol);
        using RfbViewer viewer = new(WebSocketStream.Create(socket, WebSocketMessageType.Binary));
        Assert.Null(viewer.Begin());
        See(viewer);
    }

    [Theory]
    [InlineData("http://evil.test", null, "403")]
    [InlineData("null", null, "403")]
    [InlineData("http://evil.test", "secret", "101")]
    [InlineData("http://localhost:6080", null, "403")]
    public async Task Pages_from_elsewhere_need_a_password(string origin, string? password, string status)
    {
        Serve(new VncConfig("127.0.0.1", 0, null, WritePassword(password), null, 0));
        using ClientWebSocket socket = new();
        socket.Options.SetRequestHeader("Origin", origin);
        socket.Options.CollectHttpResponseDetails = true;
        Task connecting = socket.ConnectAsync(new Uri($"ws://127.0.0.1:{_server!.Ports[1]}/"), CancellationToken.None);
        if (status == "101") await connecting;
        else await Assert.ThrowsAsync<WebSocketException>(() => connecting);
        Assert.Equal(status, ((int)socket.HttpStatusCode).ToString(System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("http://127.0.0.1:5700", "127.0.0.1:5700", true)]
    [InlineData("https://[::1]:80", "[::1]:5700", true)]
    [InlineData("http://localhost", "localhost:5700", true)]
    // A name that its owner has made to mean this host.
    [InlineData("http://evil.test:5700", "evil.test:5700", false)]
    [InlineData("http://127.0.0.1", "", false)]
    [InlineData("nonsense", "127.0.0.1", false)]
    [InlineData("", "evil.test", true)]
    public void A_page_of_this_host_is_known(string origin, string host, bool isFromHere)
    {
        string field = origin.Length == 0 ? "" : $"Origin: {origin}\r\n";
        WebSocketRequest request = WebSocketRequest.Read(new MemoryStream(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: {host}\r\n{field}\r\n")));
        Assert.Equal(isFromHere, request.IsFromHere());
    }

    [Theory]
    [InlineData("Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", null)]
    [InlineData("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2hvcnQ=", "key")]
    [InlineData("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13", "key")]
    [InlineData("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "version 13")]
    [InlineData("Accept: */*", "WebSockets")]
    public void Requests_that_are_none_are_told_so(string fields, string? mistake)
    {
        string? told = WebSocketRequest.Read(new MemoryStream(Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\n{fields}\r\n\r\n"))).Mistake();
        if (mistake is null) Assert.Null(told);
        else Assert.Contains(mistake, told, StringComparison.Ordinal);
    }

    // The fuzz entry of what comes before RFB: whatever a browser, or something that is none, says first.
    [Fact]
    public void Random_requests_are_granted_or_refused()
    {
        Random random = new(12);
        string[] parts = ["GET / HTTP/1.1", "Host", "Origin", "Upgrade", "websocket", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", ":", ": ", ",", "\r\n", "\r\n\r\n", "\n", "\0", "ÿ", "http://[", "]"];
        int read = 0;
        for (int round = 0; round < 20_000; round++)
        {
            StringBuilder text = new(random.Next(4) == 0 ? "" : "GET / HTTP/1.1\r\n");
            for (int left = random.Next(20); left > 0; left--) text.Append(parts[random.Next(parts.Length)]);
            if (random.Next(100) == 0) text.Append('x', 9000);
            if (random.Next(2) == 0) text.Append("\r\n\r\n");
            try
            {
                WebSocketRequest request = WebSocketRequest.Read(new MemoryStream(Encoding.Latin1.GetBytes(text.ToString())));
                _ = request.Mistake();
                _ = request.IsFromHere();
                read++;
            }
            catch (Exception refused) when (refused is EndOfStreamException or InvalidDataException)
            {
                // One of the two ends that there are.
            }
        }
        Assert.True(read > 1000);
    }

    [Fact]
    public void A_certificate_that_cannot_be_used_is_told_of()
    {
        VncConfig config = new(null, 0, SocketPath, null, _folder);
        Assert.Contains("server-cert.pem", Assert.Throws<ConfigException>(() => Serve(config)).Message, StringComparison.Ordinal);
        WriteCertificate();
        File.WriteAllText(Path.Combine(_folder, "server-key.pem"), "no key");
        Assert.Contains("server-key.pem", Assert.Throws<ConfigException>(() => Serve(config)).Message, StringComparison.Ordinal);
    }

    private void Serve(VncConfig config) => _server = VncServer.Open(config, "guest", [_screen], new InputDevices(), new MonotonicClock())!;

    private void See(RfbViewer viewer)
    {
        viewer.SetEncodings(RfbViewer.Zrle);
        viewer.Request(incremental: false);
        viewer.Update();
        Assert.Equal(_screen.Pixels, viewer.Picture);
    }

    private string? WritePassword(string? password)
    {
        if (password is null) return null;
        string file = Path.Combine(_folder, "password");
        File.WriteAllText(file, password);
        return file;
    }

    private string WriteCertificate()
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=guest.test", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(Path.Combine(_folder, "server-cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, "server-key.pem"), key.ExportPkcs8PrivateKeyPem());
        return _folder;
    }
}
