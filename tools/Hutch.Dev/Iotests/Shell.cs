using System.ComponentModel;
using System.Diagnostics;
using System.Threading.Tasks;

namespace Hutch.Dev.Iotests;

/// <summary>Runs programs and collects what they say.</summary>
internal static class Shell
{
    /// <summary>Runs a program to its end; its status and both streams together.</summary>
    internal static (int Status, string Text) Run(string folder, string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> errors = process.StandardError.ReadToEndAsync();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, output + errors.Result);
        }
        catch (Win32Exception)
        {
            throw new MissingException($"{program} is not installed.");
        }
    }

    /// <summary>Runs a program that must succeed.</summary>
    internal static string Must(string folder, string program, params string[] arguments)
    {
        (int status, string text) = Run(folder, program, arguments);
        return status == 0 ? text : throw new MissingException($"'{program} {string.Join(' ', arguments)}' failed with status {status}:\n{text}");
    }
}
