using System;
using System.IO;
using Hutch.Host.Linux;

namespace Hutch.Host.Files;

/// <summary>
/// A new content for a file, written beside it and put in its place as a whole: whoever looks sees the old content or the new one, and so does the next
/// start after a crash at any moment. What a killed writer left is overwritten by the next.
/// </summary>
public sealed class ReplacementFile : IDisposable
{
    private const string Suffix = ".partial";

    private readonly string _path;
    private bool _committed;

    private ReplacementFile(DiskFile file, string path)
    {
        File = file;
        _path = path;
    }

    /// <summary>The new content, empty at first.</summary>
    public DiskFile File { get; }

    /// <summary>
    /// Begins. Throws <see cref="IOException"/> where the path names something other than a file, or another process is writing a new content for it, and
    /// <see cref="LinuxException"/>.
    /// </summary>
    public static ReplacementFile Create(string path)
    {
        if (Directory.Exists(path)) throw new IOException($"{path} is a directory.");
        if (System.IO.File.Exists(path))
        {
            using DiskFile old = DiskFile.Open(path, readOnly: true);
            if (old.Kind != DiskFileKind.Regular) throw new IOException($"{path} is there already and is no regular file.");
        }
        DiskFile file = DiskFile.OpenLocked(path + Suffix) ?? throw new IOException($"Another process is writing {path}.");
        if (file.Kind == DiskFileKind.Regular) return new ReplacementFile(file, path);
        file.Dispose();
        throw new IOException($"{path}{Suffix} is in the way: it is no regular file.");
    }

    /// <summary>Makes the content durable and puts it in place; returns when that too is durable. Throws <see cref="LinuxException"/> or <see cref="IOException"/>.</summary>
    public void Commit()
    {
        File.SyncData();
        System.IO.File.Move(_path + Suffix, _path, overwrite: true);
        _committed = true;
        using DiskFile directory = DiskFile.Open(Path.GetDirectoryName(Path.GetFullPath(_path))!, readOnly: true);
        directory.SyncData();
    }

    /// <summary>Gives up what was not committed.</summary>
    public void Dispose()
    {
        if (!_committed && !File.IsClosed) System.IO.File.Delete(_path + Suffix);
        File.Dispose();
    }
}
