using System;
using System.IO;

namespace Hutch.GuestTests;

/// <summary>A folder of one test, gone with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("hutch-test-").FullName;

    /// <summary>A path in the folder.</summary>
    internal string File(string name) => Path.Combine(_path, name);

    /// <summary>Makes a file of zeros, without holding space for them.</summary>
    internal string Disk(string name, long lengthBytes)
    {
        string path = File(name);
        using FileStream file = new(path, FileMode.CreateNew);
        file.SetLength(lengthBytes);
        return path;
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_path, recursive: true);
}
