using System;
using System.IO;

namespace Hutch.Host.Files;

/// <summary>A file that one process at a time holds, until it ends in whatever way (fcntl(2), open file description lock).</summary>
public sealed class LockFile : IDisposable
{
    private readonly DiskFile _file;

    private LockFile(DiskFile file) => _file = file;

    /// <summary>Creates the file if need be and takes it; null when another process holds it. Throws <see cref="Linux.LinuxException"/>.</summary>
    public static LockFile? TryTake(string path) => DiskFile.OpenLocked(path) is DiskFile file ? new LockFile(file) : null;

    /// <summary>Removes the file and lets go.</summary>
    public void Dispose()
    {
        if (_file.IsClosed) return;
        File.Delete(_file.Path);
        _file.Dispose();
    }
}
