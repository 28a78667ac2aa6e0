using System;
using System.IO;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Events;

/// <summary>Output to a file, which is emptied first; no input.</summary>
public sealed class FileChannel : IPatientChannel
{
    private readonly SafeFileHandle _file;
    private readonly OutputPump _output;
    private bool _disposed;

    /// <summary>Creates or empties the file. Throws the exceptions of <see cref="File.OpenHandle"/>.</summary>
    public FileChannel(string path)
    {
        _file = File.OpenHandle(path, FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
        int fd = (int)_file.DangerousGetHandle();
        _output = new OutputPump("serial-file", (data, patience) => OpenFile.WriteAll(fd, data, patience));
    }

    /// <inheritdoc/>
    public void Write(ReadOnlySpan<byte> data) => _output.Write(data);

    /// <inheritdoc/>
    public void StartInput(ReceiveBytes receive) { }

    /// <inheritdoc/>
    public void ResumeInput() { }

    /// <inheritdoc/>
    public void LosePatience() => _output.LosePatience();

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _output.Dispose();
        _file.Dispose();
    }
}
