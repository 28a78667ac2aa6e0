using System;
using System.Globalization;
using System.IO;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Hutch.Vmm;

/// <summary>
/// The end of a pipe on which whoever started this process waits: it gets the line <see cref="Word"/> when the machine runs and takes commands, or a sentence that says why it does not.
/// Whoever waits sees the pipe's end in either case, also when this process is killed.
/// </summary>
internal sealed class ReadySign : IDisposable
{
    /// <summary>What is said of a machine that runs.</summary>
    internal const string Word = "ready";

    private const string Option = "--ready-fd";

    private FileStream? _pipe;

    private ReadySign(FileStream? pipe) => _pipe = pipe;

    /// <summary>Takes the descriptor from the front of the command line; without one nobody waits, and nothing is said.</summary>
    internal static ReadySign Take(ref string[] arguments)
    {
        if (arguments is not [Option, string number, .. string[] rest] || !int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int descriptor)) return new ReadySign(null);
        arguments = rest;
        try
        {
            return new ReadySign(new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.Write, bufferSize: 0));
        }
        catch (Exception nothing) when (nothing is IOException or ArgumentException or UnauthorizedAccessException)
        {
            return new ReadySign(null);
        }
    }

    /// <summary>The machine runs. Nothing is said after that.</summary>
    internal void Succeed() => Say(Word);

    /// <summary>It does not, and why.</summary>
    internal void Fail(string sentence) => Say(sentence);

    /// <inheritdoc/>
    public void Dispose() => _pipe?.Dispose();

    private void Say(string line)
    {
        try
        {
            _pipe?.Write(Encoding.UTF8.GetBytes($"{line}\n"));
        }
        catch (IOException)
        {
            // Nobody waits any more.
        }
        _pipe?.Dispose();
        _pipe = null;
    }
}
