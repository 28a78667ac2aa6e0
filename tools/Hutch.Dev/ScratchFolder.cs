using System;
using System.IO;

namespace Hutch.Dev;

/// <summary>A folder for one run, in memory where the host has such a file system; it goes when the run ends.</summary>
internal sealed class ScratchFolder : IDisposable
{
    private const string Memory = "/dev/shm";

    /// <summary>Makes it.</summary>
    internal ScratchFolder(string name) =>
        Path = Directory.CreateDirectory(System.IO.Path.Combine(Directory.Exists(Memory) ? Memory : System.IO.Path.GetTempPath(), $"{name}-{Environment.ProcessId}")).FullName;

    /// <summary>Where it is.</summary>
    internal string Path { get; }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
