using System;
using System.Collections;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.IO;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;
using Hutch.Host.Memory;
using Hutch.Model.Machine;

namespace Hutch.Cli.Launch;

/// <summary>Turns this process into the machine's: the terminal, the process id and the exit status are then the VM process's own.</summary>
internal static class VmmProcess
{
    /// <summary>Hands the definition over in a memory file and executes <c>hutch-vmm</c>. Returns only by throwing.</summary>
    [DoesNotReturn]
    internal static void Become(MachineDefinition definition)
    {
        int descriptor = MemoryFile.CreateInheritable("machine", MachineWriter.Write(definition));
        Become(["--definition-fd", descriptor.ToString(CultureInfo.InvariantCulture)]);
    }

    /// <summary>Executes <c>hutch-vmm</c> with these arguments. Returns only by throwing.</summary>
    [DoesNotReturn]
    internal static void Become(List<string> arguments)
    {
        string program = Program;
        if (!File.Exists(program))
            throw new UserException($"The VM program '{program}' is missing; start hutch through the launcher ./hutch, which builds both.", ExitStatus.BadConfiguration);
        ProcessImage.Exec(program, [program, .. arguments], Environment());
    }

    /// <summary>
    /// Runs <c>hutch-vmm</c> with one argument and returns its first line of standard output: how the command line learns what only the engines know.
    /// Null when it cannot be started, ends with another status than 0 or says nothing; then <paramref name="reason"/> says which.
    /// </summary>
    internal static string? Ask(string question, out string reason)
    {
        ProcessStartInfo start = new(Program, [question]) { RedirectStandardOutput = true };
        foreach ((string name, string value) in Environment()) start.Environment[name] = value;
        try
        {
            using Process process = Process.Start(start)!;
            string? answer = process.StandardOutput.ReadLine();
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            reason = process.ExitCode != 0 ? $"it ended with status {process.ExitCode}" : answer is null ? "it said nothing" : "";
            return reason.Length == 0 ? answer : null;
        }
        catch (System.ComponentModel.Win32Exception refused)
        {
            reason = refused.Message;
            return null;
        }
    }

    private static string Program => Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "..", "vmm", "hutch-vmm"));

    private static Dictionary<string, string> Environment()
    {
        Dictionary<string, string> variables = [];
        foreach (DictionaryEntry variable in System.Environment.GetEnvironmentVariables()) variables[(string)variable.Key] = (string)variable.Value!;
        // No diagnostic server in the VM process: three threads less, and no sockets that kill -9 would leave in /tmp.
        variables["DOTNET_EnableDiagnostics"] = "0";
        // Both programs are compiled alike. One that needs a runtime must find that of this one, wherever it is: <root>/shared/Microsoft.NETCore.App/<version>/.
        if (RuntimeFeature.IsDynamicCodeSupported) variables["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        return variables;
    }
}
