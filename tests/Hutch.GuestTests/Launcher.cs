using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Hutch.GuestTests;

/// <summary>The launcher <c>./hutch</c> of this clone.</summary>
internal static class Launcher
{
    private static readonly Lazy<string> Built = new(Build);

    /// <summary>The folder of the repository.</summary>
    internal static string Root { get; } = FindRoot();

    /// <summary>Where hutch keeps what it makes of packages.</summary>
    internal static string Cache { get; } = Path.Combine(Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named ? named
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache"), "hutch");

    /// <summary>Starts <c>./hutch</c> with its streams redirected; what it builds was built before.</summary>
    /// <param name="arguments">Of the command.</param>
    /// <param name="environment">Variables that are set besides.</param>
    /// <param name="behind">A program with arguments that executes it in its own place; empty: none.</param>
    internal static Process Start(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null, params string[] behind)
    {
        string[] command = [.. behind, Built.Value, .. arguments];
        ProcessStartInfo start = new(command[0], command[1..])
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = Path.GetTempPath(),
        };
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>()) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Runs to the end with nothing on standard input: exit status, standard output, standard error.</summary>
    internal static async Task<(int Status, string Output, string Errors)> Run(params string[] arguments)
    {
        using Process process = Start(arguments);
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync(), errors = process.StandardError.ReadToEndAsync();
        await WaitForExit(process, TimeSpan.FromSeconds(360));
        return (process.ExitCode, await output, await errors);
    }

    /// <summary>Runs what must succeed and says nothing on standard error; what it prints.</summary>
    internal static async Task<string> Done(params string[] arguments)
    {
        (int status, string output, string errors) = await Run(arguments);
        Assert.Equal((0, ""), (status, errors));
        return output.TrimEnd('\n');
    }

    /// <summary>Runs what must be refused; what it says on standard error.</summary>
    internal static async Task<string> Refused(params string[] arguments)
    {
        (int status, _, string errors) = await Run(arguments);
        Assert.Equal(1, status);
        return errors;
    }

    /// <summary>Waits for the end; kills the process and throws when it takes too long.</summary>
    internal static async Task WaitForExit(Process process, TimeSpan patience)
    {
        using CancellationTokenSource late = new(patience);
        try
        {
            await process.WaitForExitAsync(late.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"The process was still running after {patience.TotalSeconds} s.");
        }
    }

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Hutch.slnx"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("These tests run inside a clone of the repository.");
    }

    private static string Build()
    {
        string launcher = Path.Combine(Root, "hutch");
        using Process process = Process.Start(launcher, "--version")!;
        process.WaitForExit();
        return process.ExitCode == 0 ? launcher : throw new InvalidOperationException("./hutch cannot be built.");
    }
}
