using System;
using System.Collections.Generic;
using System.IO;
using System.Threading.Tasks;
using Hutch.Block.Files;
using Hutch.Block.Formats;
using Hutch.Block.Graph;

namespace Hutch.Block.Tests;

/// <summary>A folder for a test's images, on tmpfs where there is one.</summary>
internal sealed class ImageFolder : IDisposable, ISecrets
{
    private readonly string _folder = Directory.CreateDirectory(System.IO.Path.Combine(
        Directory.Exists("/dev/shm") ? "/dev/shm" : System.IO.Path.GetTempPath(), $"hutch-images-{Guid.NewGuid():N}")).FullName;

    internal Dictionary<string, byte[]> Secrets { get; } = [];

    internal string Path(string name) => System.IO.Path.Combine(_folder, name);

    /// <summary>Writes a file.</summary>
    internal string Write(string name, ReadOnlySpan<byte> content)
    {
        File.WriteAllBytes(Path(name), content);
        return Path(name);
    }

    /// <summary>Data with holes and zeros in it, of which each sector is different.</summary>
    internal static byte[] Pattern(int lengthBytes, int seed)
    {
        byte[] data = new byte[lengthBytes];
        Random random = new(seed);
        for (int at = 0; at < lengthBytes;)
        {
            int run = Math.Min(lengthBytes - at, random.Next(1, 200) * 512);
            if (random.Next(3) != 0) random.NextBytes(data.AsSpan(at, run));
            at += run;
        }
        return data;
    }

    /// <summary>Makes an image of ours.</summary>
    internal async Task<string> CreateAsync(ImageFormat format, string name, long lengthBytes, params (string Name, string Value)[] options)
    {
        File.WriteAllBytes(Path(name), []);
        await using BlockNode file = OpenFile(Path(name), readOnly: false);
        await format.CreateAsync(file, new ImageCreateRequest { LengthBytes = lengthBytes, Options = Map(options), Secrets = this, Files = new ImageFiles() }, default);
        return Path(name);
    }

    /// <summary>Opens an image.</summary>
    internal async Task<ImageNode> OpenAsync(ImageFormat format, string name, bool readOnly = false, IImageReferences? references = null,
        bool noData = false, params (string Name, string Value)[] options)
    {
        BlockNode file = OpenFile(Path(name), readOnly);
        try
        {
            return await format.OpenAsync(file,
                new ImageOpenOptions { ReadOnly = readOnly, NoData = noData, Secrets = this, References = references, Options = Map(options) }, default);
        }
        catch
        {
            await file.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Opens a file. A lock belongs to the open file, and a test that starts a program at the same moment lends all open files to the child until it
    /// executes that program: the lock of a file that was just closed may take a moment to go.
    /// </summary>
    internal static BlockNode OpenFile(string path, bool readOnly)
    {
        for (int i = 0; ; i++)
        {
            try
            {
                return FileNode.Open(path, readOnly);
            }
            catch (DiskOpenException e) when (i < 500 && e.Message.Contains("in use", StringComparison.Ordinal))
            {
                using System.Threading.ManualResetEventSlim never = new();
                _ = never.Wait(10);
            }
        }
    }

    byte[]? ISecrets.Find(string id) => Secrets.GetValueOrDefault(id);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static Dictionary<string, string> Map((string Name, string Value)[] options)
    {
        Dictionary<string, string> map = [];
        foreach ((string name, string value) in options) map[name] = value;
        return map;
    }

    private sealed class ImageFiles : IImageFiles
    {
        public async ValueTask<BlockNode> CreateAsync(string path, long lengthBytes, Preallocation preallocation, System.Threading.CancellationToken cancellation)
        {
            File.WriteAllBytes(path, []);
            BlockNode file = OpenFile(path, readOnly: false);
            await file.ResizeAsync(lengthBytes, preallocation, cancellation);
            return file;
        }
    }
}
