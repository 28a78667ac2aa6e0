using System;
using System.Collections.Generic;
using System.IO;
using System.IO.Compression;
using System.Net.Http;
using System.Threading.Tasks;

namespace Hutch.GuestTests.Installer;

/// <summary>Debian's archive as the host reaches it. Large packages stay in the cache.</summary>
internal sealed class DebianArchive : IDisposable
{
    private const string Address = "http://deb.debian.org/debian/";
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromMinutes(10) };
    private readonly string _cache = Directory.CreateDirectory(Path.Combine(Launcher.Cache, "debian-installer")).FullName;

    /// <summary>True when the archive has this file.</summary>
    internal async Task<bool> Has(string path)
    {
        using HttpRequestMessage request = new(HttpMethod.Head, Address + path);
        using HttpResponseMessage answer = await _client.SendAsync(request);
        return answer.IsSuccessStatusCode;
    }

    /// <summary>Asks for a file; its content is read from the answer.</summary>
    internal Task<HttpResponseMessage> Get(string path) => _client.GetAsync(Address + path, HttpCompletionOption.ResponseHeadersRead);

    /// <summary>The packages of an index.</summary>
    internal async Task<List<ControlParagraph>> Index(string folder)
    {
        using HttpResponseMessage answer = await Get($"{folder}/Packages.gz");
        answer.EnsureSuccessStatusCode();
        using StreamReader reader = new(new GZipStream(await answer.Content.ReadAsStreamAsync(), CompressionMode.Decompress));
        return ControlParagraph.ReadAll(await reader.ReadToEndAsync());
    }

    /// <summary>Fetches a package unless the cache has it; returns where it is.</summary>
    internal async Task<string> Fetch(ControlParagraph package)
    {
        string path = package["Filename"], file = Path.Combine(_cache, Path.GetFileName(path));
        if (File.Exists(file)) return file;
        using HttpResponseMessage answer = await Get(path);
        answer.EnsureSuccessStatusCode();
        using (FileStream part = File.Create(file + ".part")) await answer.Content.CopyToAsync(part);
        File.Move(file + ".part", file, overwrite: true);
        return file;
    }

    /// <inheritdoc/>
    public void Dispose() => _client.Dispose();
}
