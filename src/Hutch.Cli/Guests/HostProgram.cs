using System;
using System.Collections.Generic;
using System.ComponentModel;
using System.Diagnostics;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Hutch.Model.Machine;

namespace Hutch.Cli.Guests;

/// <summary>Runs a program of the host to its end.</summary>
internal static class HostProgram
{
    /// <summary>Returns what the program writes to standard output. Throws <see cref="UserException"/> when it is absent and <see cref="HostProgramException"/> when it fails.</summary>
    /// <param name="name">Program in PATH.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="directory">Its working directory.</param>
    internal static string Run(string name, IReadOnlyList<string> arguments, string directory)
    {
        string output = "";
        Run(name, arguments, directory, stream => output = new StreamReader(stream).ReadToEnd());
        return output;
    }

    /// <summary>Runs the program while <paramref name="read"/> reads its standard output.</summary>
    internal static void Run(string name, IReadOnlyList<string> arguments, string directory, Action<Stream> read)
    {
        ProcessStartInfo start = new(name, arguments) { WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["LC_ALL"] = "C";
        using Process process = Start(start);
        process.StandardInput.Close();
        // Both streams must be drained at once, or a talkative program would wait for us.
        Task<string> errors = process.StandardError.ReadToEndAsync();
        read(process.StandardOutput.BaseStream);
        process.StandardOutput.BaseStream.CopyTo(Stream.Null);
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new HostProgramException($"{name} {arguments[^1]} failed: {LastWords(errors.GetAwaiter().GetResult())}");
    }

    /// <summary>
    /// Runs the program with variables of its own and gives <paramref name="take"/> each line of what it says, of both streams. Throws as <see cref="Run(string, IReadOnlyList{string}, string)"/>, and
    /// <see cref="OperationCanceledException"/> when it was killed for <paramref name="cancellation"/>.
    /// </summary>
    internal static void Watch(IReadOnlyList<string> command, IReadOnlyDictionary<string, string> variables, Action<string> take, CancellationToken cancellation)
    {
        // One stream for both, so that one thread reads them in their order.
        ProcessStartInfo start = new("sh", ["-c", "exec \"$@\" 2>&1", "sh", .. command]) { RedirectStandardOutput = true, RedirectStandardInput = true };
        start.Environment["LC_ALL"] = "C";
        foreach ((string name, string value) in variables) start.Environment[name] = value;
        using Process process = Start(start);
        process.StandardInput.Close();
        using CancellationTokenRegistration kill = cancellation.Register(() => process.Kill());
        string last = "", decisive = "";
        while (process.StandardOutput.ReadLine() is string line)
        {
            take(line);
            if (line.Trim().Length != 0) last = line;
            if (decisive.Length == 0 && line.StartsWith("E: ", StringComparison.Ordinal)) decisive = line[3..];
        }
        process.WaitForExit();
        cancellation.ThrowIfCancellationRequested();
        if (process.ExitCode != 0) throw new HostProgramException(decisive.Length != 0 ? decisive : last);
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception)
        {
            throw new UserException($"The tiny guest is made from Debian packages, and the program {start.FileName} is not on this host; "
                + "give a kernel of your own with --kernel and --initrd.", ExitStatus.BadConfiguration);
        }
    }

    /// <summary>apt-get marks what is decisive with "E:"; others end with it.</summary>
    private static string LastWords(string errors)
    {
        string last = "it gave no reason.";
        foreach (string line in errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            last = line;
            if (line.StartsWith("E: ", StringComparison.Ordinal)) return line[3..];
        }
        return last;
    }
}

/// <summary>A program of the host ended with a status other than 0.</summary>
/// <param name="message">What was run, and its last words.</param>
internal sealed class HostProgramException(string message) : Exception(message);
