using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Hutch.Host.Processes;

namespace Hutch.Host.Linux;

/// <summary>The program that this process runs.</summary>
public static unsafe class ProcessImage
{
    /// <summary>
    /// Replaces the program by another (execve(2)): same process id, same working directory, every descriptor without close-on-exec stays open.
    /// Returns only by throwing <see cref="LinuxException"/>; then nothing has changed.
    /// </summary>
    /// <param name="path">File to execute; no search in PATH.</param>
    /// <param name="arguments">The argument vector, with the program's name first.</param>
    /// <param name="environment">The whole environment of the new program.</param>
    [DoesNotReturn]
    public static void Exec(string path, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment)
    {
        string[] variables = new string[environment.Count];
        int count = 0;
        foreach ((string name, string value) in environment) variables[count++] = $"{name}={value}";
        byte* file = (byte*)Marshal.StringToCoTaskMemUTF8(path);
        byte** argumentVector = new NativeTexts(arguments).Vector, environmentVector = new NativeTexts(variables).Vector;
        // SAFETY: all three are NUL-terminated native copies; they are never freed, for either the program is gone after
        // the call or the process is about to report a failure.
        _ = Libc.Execve(file, argumentVector, environmentVector);
        LinuxException.ThrowLast("execve", path);
    }
}
