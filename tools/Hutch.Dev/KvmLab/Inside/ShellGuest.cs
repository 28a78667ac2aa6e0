using System;
using System.Collections.Generic;
using System.Diagnostics;
using Hutch.Dev.Bench;

namespace Hutch.Dev.KvmLab.Inside;

/// <summary>A tiny guest of ours with its shell on the console.</summary>
internal sealed class ShellGuest : IDisposable
{
    private const string Prompt = "~ # ";
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private readonly Guest _guest;
    private int _commands;

    private ShellGuest(Guest guest) => _guest = guest;

    /// <summary>All that was shown so far.</summary>
    internal string Transcript => _guest.Transcript;

    /// <summary>Starts <c>hutch run</c> with these arguments and waits for the guest's shell.</summary>
    internal static ShellGuest Boot(params IEnumerable<string> arguments)
    {
        ShellGuest guest = new(Guest.Start("hutch", ["run", .. arguments]));
        try
        {
            guest.WaitFor(Guest.Marker);
            guest.WaitFor(Prompt);
            return guest;
        }
        catch
        {
            // It has a name that others may want.
            guest.Dispose();
            throw;
        }
    }

    /// <summary>Starts <c>hutch restore</c>; the guest goes on where it was.</summary>
    internal static ShellGuest Restore(params IEnumerable<string> arguments) => new(Guest.Start("hutch", ["restore", .. arguments]));

    /// <summary>Waits until the console shows a text behind what was waited for last.</summary>
    internal void WaitFor(string text)
    {
        if (_guest.WaitFor(text, Patience)) return;
        int status = _guest.WaitForExit(TimeSpan.FromSeconds(1));
        throw new CheckException($"The console did not show '{text}' ({(status < 0 ? "the machine still runs" : $"the machine ended with status {status}")}):\n{Transcript}");
    }

    /// <summary>Runs a command in the guest and returns what it printed; a status other than 0 fails the check.</summary>
    internal string Shell(string command)
    {
        int number = ++_commands;
        // The quotes keep the marks out of the echo of what is typed.
        Type($"echo '@@'B{number}@@; {command}; echo '@@'E{number}:$?@@");
        WaitFor($"@@B{number}@@");
        int start = _guest.Transcript.LastIndexOf($"@@B{number}@@", StringComparison.Ordinal) + $"@@B{number}@@".Length;
        WaitFor($"@@E{number}:");
        WaitFor("@@");
        WaitFor(Prompt);
        string transcript = _guest.Transcript;
        int end = transcript.IndexOf($"@@E{number}:", start, StringComparison.Ordinal);
        if (!transcript[end..].StartsWith($"@@E{number}:0@@", StringComparison.Ordinal)) throw new CheckException($"'{command}' failed:\n{Transcript}");
        return transcript[start..end].Replace("\r", "", StringComparison.Ordinal).Trim('\n');
    }

    /// <summary>Types a line without waiting for what it does.</summary>
    internal void Type(string line) => _guest.Send(line + "\n");

    /// <summary>Ends the guest by its own command; a status other than 0 fails the check.</summary>
    internal void PowerOff()
    {
        Type("poweroff");
        WaitForEnd();
    }

    /// <summary>Waits until the process has ended with status 0.</summary>
    internal void WaitForEnd()
    {
        int status = _guest.WaitForExit(Patience);
        if (status != 0) throw new CheckException($"The machine ended with status {status}:\n{Transcript}");
    }

    /// <summary>Runs a program of the lab to its end: its status and all that it printed.</summary>
    internal static (int Status, string Output) Run(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        System.Threading.Tasks.Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.GetAwaiter().GetResult());
    }

    /// <inheritdoc/>
    public void Dispose() => _guest.Dispose();
}
