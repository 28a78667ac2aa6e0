using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Net;
using System.Net.Http;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Threading.Tasks;

namespace Hutch.GuestTests.Installer;

/// <summary>
/// A mirror on the host's loopback address, which the guest reaches as 10.0.2.2: it hands everything on to Debian's archive, except the suite <see cref="Suite"/>, which has nothing but the
/// installer's own packages (<see cref="UdebSource"/>). The system that is installed comes from the archive, with Debian's signatures.
/// </summary>
internal sealed class UdebMirror : IDisposable
{
    /// <summary>The suite with the installer's packages.</summary>
    internal const string Suite = "installer";

    private const string Folder = "main/debian-installer/binary-amd64", Root = "/debian/";
    private const int LongestRequest = 8192;

    private readonly DebianArchive _archive;
    private readonly Dictionary<string, byte[]> _own;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly List<string> _log = [];

    internal UdebMirror(DebianArchive archive, UdebSource udebs)
    {
        _archive = archive;
        _own = new(udebs.Files)
        {
            [$"dists/{Suite}/{Folder}/Packages"] = udebs.Index,
            [$"dists/{Suite}/Release"] = Encoding.ASCII.GetBytes(
                $"Suite: {Suite}\nCodename: {Suite}\nArchitectures: amd64\nComponents: main\nSHA256:\n {Convert.ToHexStringLower(SHA256.HashData(udebs.Index))} {udebs.Index.Length} {Folder}/Packages\n"),
        };
        _listener.Start();
        _ = Accept();
    }

    /// <summary>Where the guest finds it: host and port.</summary>
    internal string Authority => $"10.0.2.2:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    /// <summary>What was asked for, with the status of the answer.</summary>
    internal string Log { get { lock (_log) return string.Join('\n', _log); } }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    private async Task Accept()
    {
        try
        {
            while (true) _ = Serve(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
        }
    }

    // One request of a connection (RFC 9112): each answer says that it is the last.
    private async Task Serve(TcpClient client)
    {
        using TcpClient owned = client;
        string request = "nothing", outcome;
        try
        {
            NetworkStream stream = client.GetStream();
            request = (await ReadHead(stream)).Split('\r')[0];
            string[] words = request.Split(' ');
            bool asked = words.Length == 3 && words[0] is "GET" or "HEAD" && words[1].StartsWith(Root, StringComparison.Ordinal);
            outcome = asked ? await Answer(stream, words[1][Root.Length..], words[0] == "GET") : await Head(stream, HttpStatusCode.BadRequest, 0);
        }
        catch (Exception trouble) when (trouble is IOException or SocketException or HttpRequestException or TaskCanceledException)
        {
            outcome = trouble.Message;
        }
        lock (_log) _log.Add($"{request}: {outcome}");
    }

    private async Task<string> Answer(NetworkStream stream, string path, bool body)
    {
        string plain = Uri.UnescapeDataString(path);
        if (_own.TryGetValue(plain, out byte[]? content))
        {
            string status = await Head(stream, HttpStatusCode.OK, content.Length);
            if (body) await stream.WriteAsync(content);
            return status;
        }
        // The suite has no more than this.
        if (plain.StartsWith($"dists/{Suite}/", StringComparison.Ordinal)) return await Head(stream, HttpStatusCode.NotFound, 0);
        using HttpResponseMessage there = await _archive.Get(path);
        bool passed = there.IsSuccessStatusCode;
        string told = await Head(stream, there.StatusCode, passed ? there.Content.Headers.ContentLength : 0);
        if (passed && body) await there.Content.CopyToAsync(stream);
        return told;
    }

    private static async Task<string> Head(NetworkStream stream, HttpStatusCode status, long? length)
    {
        string size = length is { } known ? $"Content-Length: {known.ToString(CultureInfo.InvariantCulture)}\r\n" : "";
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {(int)status} {status}\r\n{size}Connection: close\r\n\r\n"));
        return $"{(int)status}";
    }

    private static async Task<string> ReadHead(NetworkStream stream)
    {
        byte[] buffer = new byte[LongestRequest];
        int length = 0;
        while (length < buffer.Length)
        {
            int count = await stream.ReadAsync(buffer.AsMemory(length));
            if (count == 0) break;
            length += count;
            string head = Encoding.ASCII.GetString(buffer, 0, length);
            if (head.Contains("\r\n\r\n", StringComparison.Ordinal)) return head;
        }
        throw new IOException("The request did not end.");
    }
}
