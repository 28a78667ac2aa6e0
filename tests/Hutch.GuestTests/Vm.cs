using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;
using Xunit.Sdk;

namespace Hutch.GuestTests;

/// <summary>One running machine, talked to over its serial console as a script would.</summary>
internal sealed partial class Vm : IAsyncDisposable
{
    /// <summary>What the tiny guest's init says when the kernel is up.</summary>
    internal const string Greeting = "is up. 'poweroff'";

    private const string Prompt = "~ # ";
    private readonly Process _process;
    private readonly StringBuilder _console = new();
    private readonly StringBuilder _errors = new();
    private readonly Task _reading;
    private int _commands;
    private int _seen;

    private Vm(Process process)
    {
        _process = process;
        _reading = Task.WhenAll(Read(process.StandardOutput.BaseStream, _console), Read(process.StandardError.BaseStream, _errors));
    }

    /// <summary>Process id of the machine.</summary>
    internal int ProcessId => _process.Id;

    /// <summary>All that the console showed so far.</summary>
    internal string Console { get { lock (_console) return _console.ToString(); } }

    /// <summary>All that the process wrote to standard error so far.</summary>
    internal string Errors { get { lock (_errors) return _errors.ToString(); } }

    /// <summary>Starts <c>./hutch run</c> with these arguments, without waiting for anything.</summary>
    internal static Vm Start(params IEnumerable<string> arguments) => new(Launcher.Start(["run", .. arguments]));

    /// <summary>Starts <c>./hutch restore</c>; the guest's shell is where it was.</summary>
    internal static Vm Restore(string state, params IEnumerable<string> arguments) => new(Launcher.Start(["restore", state, .. arguments]));

    /// <summary>Starts the tiny guest and waits for its shell.</summary>
    internal static Task<Vm> Boot(params IEnumerable<string> arguments) => Boot(Start(arguments));

    /// <summary>The same with variables of the environment set.</summary>
    internal static Task<Vm> Boot(IReadOnlyDictionary<string, string> environment) => Boot(new Vm(Launcher.Start(["run"], environment)));

    /// <summary>The same, executed by another program, for example one that enters a namespace.</summary>
    internal static Task<Vm> BootBehind(string[] behind, params IEnumerable<string> arguments) => Boot(new Vm(Launcher.Start(["run", .. arguments], null, behind)));

    private static async Task<Vm> Boot(Vm vm)
    {
        await vm.WaitFor(Greeting, seconds: 300);
        await vm.WaitFor(Prompt);
        return vm;
    }

    /// <summary>Waits until the console shows <paramref name="text"/> after what was waited for before; returns what came before it.</summary>
    internal async Task<string> WaitFor(string text, int seconds = 60)
    {
        long end = Environment.TickCount64 + seconds * 1000L;
        while (true)
        {
            // What is there is looked at once more after the end of the output.
            bool last = _reading.IsCompleted || Environment.TickCount64 > end;
            string console = Console;
            int at = console.IndexOf(text, _seen, StringComparison.Ordinal);
            if (at >= 0)
            {
                string before = console[_seen..at];
                _seen = at + text.Length;
                return before;
            }
            if (last) throw Failure($"The console did not show \"{text}\"{(_reading.IsCompleted ? " before the machine ended" : $" within {seconds} s")}.");
            await Task.Delay(5);
        }
    }

    /// <summary>Types text, with nothing added.</summary>
    internal void Send(string text)
    {
        _process.StandardInput.Write(text);
        _process.StandardInput.Flush();
    }

    /// <summary>Runs a command in the guest's shell and returns what it printed, without the last line's end. A status other than 0 fails the test.</summary>
    internal async Task<string> Shell(string command, int seconds = 60)
    {
        int number = ++_commands;
        // The quotes keep the marks out of the echo of what is typed.
        Send($"echo '@@'B{number}@@; {command}; echo '@@'E{number}:$?@@\n");
        await WaitFor($"@@B{number}@@\r\n", seconds);
        string output = await WaitFor($"@@E{number}:", seconds);
        string status = await WaitFor("@@", seconds);
        await WaitFor(Prompt, seconds);
        if (status != "0") throw Failure($"'{command}' ended with status {status}.");
        return EscapeSequence().Replace(output, "").Replace("\r\n", "\n").TrimEnd('\n');
    }

    /// <summary>Ends the guest by its own command and returns the process's exit status.</summary>
    internal async Task<int> PowerOff()
    {
        Send("poweroff\n");
        return await WaitForExit();
    }

    /// <summary>Waits for the end of the process; returns its exit status.</summary>
    internal async Task<int> WaitForExit(int seconds = 60)
    {
        try
        {
            await Launcher.WaitForExit(_process, TimeSpan.FromSeconds(seconds));
        }
        catch (TimeoutException)
        {
            throw Failure($"The machine did not end within {seconds} s.");
        }
        await _reading;
        return _process.ExitCode;
    }

    /// <summary>Kills the process as kill -9 does.</summary>
    internal async Task Kill()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await Kill();
        _process.Dispose();
    }

    private XunitException Failure(string what) => new($"{what}\n--- standard error:\n{Errors}\n--- console:\n{Console}");

    private static async Task Read(System.IO.Stream stream, StringBuilder text)
    {
        byte[] buffer = new byte[4096];
        int count;
        while ((count = await stream.ReadAsync(buffer)) > 0)
            lock (text) text.Append(Encoding.Latin1.GetString(buffer, 0, count));
    }

    [GeneratedRegex("\x1b\\[[0-9;?]*[A-Za-z]")]
    private static partial Regex EscapeSequence();
}
