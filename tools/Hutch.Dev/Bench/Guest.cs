using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using Hutch.Host.Files;

namespace Hutch.Dev.Bench;

/// <summary>A machine of ours or of QEMU's in a process of its own, watched on its serial console.</summary>
internal sealed class Guest : IDisposable
{
    /// <summary>What the tiny guest's init says first.</summary>
    internal const string Marker = "is up. 'poweroff'";

    private readonly Process _process;
    private readonly StringBuilder _console = new();
    private readonly StringBuilder _errors = new();
    private int _found;

    private Guest(Process process) => _process = process;

    /// <summary>The newest of the cache's folders whose names begin so. The cache has one.</summary>
    internal static string NewestInCache(string family) => Directory.GetDirectories(UserFolders.Cache!, $"{family}*").MaxBy(Directory.GetLastWriteTimeUtc)!;

    /// <summary>Process id.</summary>
    internal int ProcessId => _process.Id;

    /// <summary>All that the console showed, and after it what the process said.</summary>
    internal string Transcript
    {
        get
        {
            lock (_errors) return $"{_console}\n--- standard error:\n{_errors}";
        }
    }

    /// <summary>Starts a program whose standard streams are the guest's serial port.</summary>
    internal static Guest Start(string program, IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        Guest guest = new(Process.Start(start)!);
        guest._process.ErrorDataReceived += (_, line) =>
        {
            lock (guest._errors) guest._errors.AppendLine(line.Data);
        };
        guest._process.BeginErrorReadLine();
        return guest;
    }

    /// <summary>
    /// Reads the console until it shows <paramref name="text"/> behind what was waited for last; false when the process ends or the time is over.
    /// </summary>
    internal bool WaitFor(string text, TimeSpan patience)
    {
        byte[] buffer = new byte[4096];
        using CancellationTokenSource late = new(patience);
        int from = _found;
        while (true)
        {
            int at = _console.ToString(from, _console.Length - from).IndexOf(text, StringComparison.Ordinal);
            if (at >= 0)
            {
                _found = from + at + text.Length;
                return true;
            }
            from = Math.Max(_found, _console.Length - text.Length);
            int count;
            try
            {
                count = _process.StandardOutput.BaseStream.ReadAsync(buffer, late.Token).AsTask().GetAwaiter().GetResult();
            }
            catch (OperationCanceledException)
            {
                return false;
            }
            if (count == 0) return false;
            _console.Append(Encoding.Latin1.GetString(buffer, 0, count));
        }
    }

    /// <summary>Types text.</summary>
    internal void Send(string text)
    {
        _process.StandardInput.Write(text);
        _process.StandardInput.Flush();
    }

    /// <summary>Waits for the end; the exit status, or -1 when the time is over.</summary>
    internal int WaitForExit(TimeSpan patience) => WaitFor("\0never\0", patience) || !_process.WaitForExit(patience) ? -1 : _process.ExitCode;

    /// <summary>User and system CPU time so far in seconds: of the process, its ended threads and its ended children.</summary>
    internal double CpuSeconds()
    {
        string stat = File.ReadAllText($"/proc/{ProcessId}/stat");
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        // proc(5): utime, stime, cutime and cstime are fields 14 to 17; the first here is 3. In ticks of 10 ms.
        double ticks = 0;
        for (int field = 14; field <= 17; field++) ticks += double.Parse(fields[field - 3], System.Globalization.CultureInfo.InvariantCulture);
        return ticks / 100;
    }

    /// <summary>Kills the process, as kill -9 does, and waits until it is gone.</summary>
    internal void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited) _process.Kill(entireProcessTree: true);
        _process.WaitForExit();
        _process.Dispose();
    }
}
