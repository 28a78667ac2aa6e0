using System;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Threading.Tasks;
using Xunit;

namespace Hutch.Block.Tests;

/// <summary>A test that needs programs of QEMU, for comparison; it is skipped, visibly, where one is missing.</summary>
[AttributeUsage(AttributeTargets.Method)]
public class QemuFactAttribute : FactAttribute
{
    public QemuFactAttribute(params string[] programs)
    {
        Programs = programs;
        if (programs.FirstOrDefault(static program => Qemu.Find(program) is null) is string missing) Skip = $"{missing} is not installed.";
    }

    public string[] Programs { get; }
}

/// <summary>Runs programs of QEMU.</summary>
internal static class Qemu
{
    /// <summary>Where a program is, or null.</summary>
    internal static string? Find(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    /// <summary>
    /// Runs a program to its end and returns its status and all that it printed. QEMU refuses to make a LUKS header now and then where the kernel's
    /// account of a thread's time is coarse; that is tried again.
    /// </summary>
    internal static (int Status, string Text) Run(string program, params string[] arguments)
    {
        for (int attempt = 0; ; attempt++)
        {
            (int status, string text) = RunOnce(program, arguments);
            if (attempt == 30 || !text.Contains("Unable to get accurate CPU usage", StringComparison.Ordinal)) return (status, text);
        }
    }

    private static (int Status, string Text) RunOnce(string program, string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(Find(program)!, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string text = process.StandardOutput.ReadToEnd() + errors.GetAwaiter().GetResult();
        process.WaitForExit();
        return (process.ExitCode, text);
    }
}
