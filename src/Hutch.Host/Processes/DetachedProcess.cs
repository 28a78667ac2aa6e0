using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using Hutch.Host.Linux;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Host.Processes;

/// <summary>
/// A program in a session of its own, which lives on when this process ends. It is a child as long as both live; <see cref="TryReap"/> takes its end note of, so that nothing is left of it.
/// </summary>
public static unsafe class DetachedProcess
{
    // Beyond the standard ones, where no descriptor of ours is likely to be in the way; what is there in the child is replaced.
    private const int FirstPassed = 100;

    /// <summary>Starts a program with standard input from /dev/null and both outputs appended to a file. Throws <see cref="LinuxException"/>.</summary>
    /// <param name="path">File to execute; no search in PATH.</param>
    /// <param name="arguments">The argument vector, the program's name first. <c>{0}</c>, <c>{1}</c>… stand for the numbers that <paramref name="passed"/> have in the program.</param>
    /// <param name="environment">The whole environment.</param>
    /// <param name="output">Open file that both outputs go to.</param>
    /// <param name="passed">Descriptors that the program gets besides; they stay the caller's.</param>
    /// <returns>The process id.</returns>
    public static int Start(string path, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment, SafeFileHandle output, params ReadOnlySpan<SafeFileHandle> passed)
    {
        using SafeFileHandle nothing = System.IO.File.OpenHandle("/dev/null");
        byte* attributes = stackalloc byte[Libc.SpawnStructureBytes], actions = stackalloc byte[Libc.SpawnStructureBytes], all = stackalloc byte[Libc.SpawnStructureBytes];
        new Span<byte>(all, Libc.SpawnStructureBytes).Clear();
        byte* none = all + Libc.SpawnStructureBytes / 2;
        Check(Libc.SpawnAttributes(attributes), path);
        Check(Libc.SpawnActions(actions), path);
        try
        {
            // The runtime ignores SIGPIPE and blocks none; the program begins as from a shell.
            _ = Libc.FillSignals(all);
            Check(Libc.SpawnSetFlags(attributes, Libc.SpawnSession | Libc.SpawnDefaultSignals | Libc.SpawnSignalMask), path);
            Check(Libc.SpawnSetDefaultSignals(attributes, all), path);
            Check(Libc.SpawnSetSignalMask(attributes, none), path);
            Duplicate(actions, nothing, 0, path);
            Duplicate(actions, output, 1, path);
            Duplicate(actions, output, 2, path);
            for (int index = 0; index < passed.Length; index++) Duplicate(actions, passed[index], FirstPassed + index, path);
            return Spawn(path, arguments, environment, attributes, actions, passed.Length);
        }
        finally
        {
            _ = Libc.SpawnFreeAttributes(attributes);
            _ = Libc.SpawnFreeActions(actions);
        }
    }

    /// <summary>Whether a child has ended and is now forgotten by the kernel; true also for one that is no child of this process. Does not wait.</summary>
    public static bool TryReap(int process)
    {
        int status;
        // SAFETY: one int on this frame.
        int reaped = Libc.WaitForProcess(process, &status, Libc.WaitNoHang);
        return reaped == process || (reaped < 0 && Marshal.GetLastPInvokeError() != Libc.Eintr);
    }

    /// <summary>Ends a process at once (SIGKILL). Nothing happens where it is gone.</summary>
    public static void Kill(int process) => _ = Libc.SendSignal(process, 9);

    private static int Spawn(string path, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment, byte* attributes, byte* actions, int passed)
    {
        List<string> words = [];
        foreach (string argument in arguments)
        {
            string word = argument;
            for (int index = 0; index < passed; index++)
                if (argument == $"{{{index}}}") word = (FirstPassed + index).ToString(System.Globalization.CultureInfo.InvariantCulture);
            words.Add(word);
        }
        List<string> variables = [];
        foreach ((string name, string value) in environment) variables.Add($"{name}={value}");
        using NativeTexts argumentVector = new(words), environmentVector = new(variables);
        byte* file = (byte*)Marshal.StringToCoTaskMemUTF8(path);
        try
        {
            int process;
            // SAFETY: the vectors end with null and live until the call returns, and so do both structures.
            Check(Libc.Spawn(&process, file, actions, attributes, argumentVector.Vector, environmentVector.Vector), path);
            return process;
        }
        finally
        {
            Marshal.FreeCoTaskMem((nint)file);
        }
    }

    // Both are open until the program is started: the caller holds them.
    private static void Duplicate(byte* actions, SafeFileHandle from, int to, string path) => Check(Libc.SpawnDuplicate(actions, (int)from.DangerousGetHandle(), to), path);

    private static void Check(int error, string path)
    {
        if (error != 0) throw new LinuxException("posix_spawn", error, path);
    }
}
