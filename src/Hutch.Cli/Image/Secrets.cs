using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Hutch.Block.Formats;
using Hutch.Block.Formats.Luks;
using Hutch.Block.Options;

namespace Hutch.Cli.Image;

/// <summary>
/// Secrets of --object secret,id=ID,data=TEXT or file=PATH, format=raw or base64, and TLS credentials of --object tls-creds-x509,id=ID,dir=FOLDER.
/// </summary>
internal sealed class Secrets : ISecrets
{
    private const int MaxBytes = 64 << 10;

    private readonly Dictionary<string, byte[]> _secrets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _tlsFolders = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public VolumeKeys Made { get; } = new();

    /// <inheritdoc/>
    public byte[]? Find(string id) => _secrets.GetValueOrDefault(id);

    /// <summary>The folder of TLS credentials; null where there are none of that id.</summary>
    internal string? FindTlsFolder(string id) => _tlsFolders.GetValueOrDefault(id);

    /// <summary>Takes an object's description. Throws <see cref="ImageException"/>.</summary>
    internal void Add(string description)
    {
        OptionSet options = new(OptionList.Parse(description, "qom-type"));
        string type = options.Take("qom-type") ?? throw new ImageException("Parameter 'qom-type' is missing");
        string id = options.Take("id") ?? throw new ImageException("Parameter 'id' is missing");
        if (type == "tls-creds-x509")
        {
            _tlsFolders[id] = options.Take("dir") ?? throw new ImageException("Parameter 'dir' is missing");
            return;
        }
        if (type != "secret") throw new ImageException($"Parameter 'qom-type' does not accept value '{type}'");
        string? data = options.Take("data"), file = options.Take("file");
        if (data is not null && file is not null) throw new ImageException("'file' and 'data' are mutually exclusive");
        byte[] bytes = file is not null ? ReadFile(file) : data is not null ? Encoding.UTF8.GetBytes(data) : throw new ImageException("Must provide 'file' or 'data'");
        if (options.Take("format") == "base64") bytes = Convert.FromBase64String(Encoding.ASCII.GetString(bytes));
        _secrets[id] = bytes;
    }

    private static byte[] ReadFile(string path)
    {
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxBytes }) throw new ImageException($"The secret in '{path}' is longer than {MaxBytes} bytes");
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ImageException($"Unable to read {path}: {e.Message}", e);
        }
    }
}
